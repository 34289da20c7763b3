"""asyncio's tools that show what tasks wait for, and code that is injected: from 3.14 on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

import switchback
from switchback import await_, ensure_portal, with_portal_run_sync

pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="these came with CPython 3.14")


def waits(seconds):
    await_(asyncio.sleep(seconds))


async def in_a_call(seconds):
    await with_portal_run_sync(waits, seconds)


async def in_a_task(seconds):
    await ensure_portal()
    waits(seconds)


async def natively_in_a_task(seconds):
    await ensure_portal()
    await asyncio.sleep(seconds)


@pytest.mark.parametrize("async_fn", [in_a_call, in_a_task, natively_in_a_task])
def test_the_call_graph_of_a_task_has_its_coroutines_and_what_it_awaits(async_fn):
    async def main():
        async with asyncio.TaskGroup() as group:
            task = group.create_task(async_fn(0.05))
            await asyncio.sleep(0.01)
            graph = asyncio.capture_call_graph(task)
            printed = asyncio.format_call_graph(task)
        names = [entry.frame.f_code.co_name for entry in graph.call_stack]
        assert names[0] == "sleep"
        assert names[-1] == async_fn.__name__
        assert f"async {async_fn.__name__}()" in printed
        [waiting] = graph.awaited_by
        assert waiting.call_stack[-1].frame.f_code.co_name == "main"

    asyncio.run(main())


def test_the_call_graph_of_the_running_task_has_its_synchronous_functions():
    def sync():
        await_(asyncio.sleep(0))
        return asyncio.capture_call_graph()

    async def main():
        await ensure_portal()
        return sync()

    graph = asyncio.run(main())
    assert [entry.frame.f_code.co_name for entry in graph.call_stack] == ["sync", "main"]


TARGET = """
    import asyncio, sys
    from switchback import await_, ensure_portal, with_portal_run_sync

    def synchronous():
        await_(asyncio.sleep(60))

    def busy():
        while True:
            await_(asyncio.sleep(0))

    async def called():
        await with_portal_run_sync(synchronous)

    async def bestowed():
        await ensure_portal()
        synchronous()

    async def spinning():
        await ensure_portal()
        busy()

    async def main():
        async with asyncio.TaskGroup() as group:
            for async_fn in called, bestowed, spinning:
                group.create_task(async_fn(), name=f"task {async_fn.__name__}")
            await asyncio.sleep(0.1)
            print("ready", flush=True)

    asyncio.run(main())
"""


@contextlib.contextmanager
def target() -> Iterator[subprocess.Popen[str]]:
    """A process in which portals are suspended, and one is busy."""
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(TARGET)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("tool", ["ps", "pstree"])
def test_tasks_with_portals_are_listed_from_another_process(tool):
    with target() as process:
        for _ in range(5):  # what is read while the process runs may not fit together
            child = subprocess.run(
                [sys.executable, "-m", "asyncio", tool, str(process.pid)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
            )
            if "ermission" in child.stderr:
                pytest.skip("this system does not let one process look into another")
            if child.returncode == 0 and "task spinning" in child.stdout:
                break
        assert child.returncode == 0, child
        for name in "called", "bestowed", "spinning":
            assert f"task {name}" in child.stdout, child
        assert "with_portal_run_sync" in child.stdout


def test_code_that_is_injected_runs_inside_a_portal(tmp_path):
    answer = tmp_path / "answer"
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
            import asyncio, os, sys, switchback
            frame, names = sys._getframe(), []
            while frame is not None:
                names.append(frame.f_code.co_name)
                frame = frame.f_back
            with open({str(answer)!r} + ".part", "w") as file:
                file.write(repr((switchback.has_portal(), "busy" in names, names[-1])))
            os.replace({str(answer)!r} + ".part", {str(answer)!r})
        """)
    )
    with target() as process:
        for _ in range(200):
            # It runs wherever the process has got to, in the portal or in the event loop.
            try:
                sys.remote_exec(process.pid, os.fspath(script))
            except PermissionError:
                pytest.skip("this system does not let one process write to another")
            for _ in range(500):
                if answer.exists():
                    break
                try:
                    process.wait(0.01)
                except subprocess.TimeoutExpired:
                    continue
                raise AssertionError(process.returncode)
            has_portal, inside, outermost = eval(answer.read_text())
            answer.unlink()
            if switchback.backend == "native":  # greenlet hides the frames below a greenlet
                assert outermost == "<module>"
            assert has_portal or not inside
            if inside:
                break
        assert inside
