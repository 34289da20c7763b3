"""asyncio's tools that show what tasks wait for, and code that is injected: from 3.14 on."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import io
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

import switchback
from switchback import (
    await_,
    bestow_portal,
    ensure_portal,
    with_portal_run,
    with_portal_run_sync,
)

pytestmark = pytest.mark.minor(since="3.14", reason="these came with CPython 3.14")


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


async def in_an_async_call(seconds):
    async def async_fn():
        waits(seconds)

    await with_portal_run(async_fn)


WAYS = [in_a_call, in_an_async_call, in_a_task, natively_in_a_task]


@pytest.mark.parametrize("eager", [False, True], ids=["lazy", "eager"])
@pytest.mark.parametrize("async_fn", WAYS)
def test_the_call_graph_of_a_task_has_its_coroutines_and_what_it_awaits(async_fn, eager):
    async def main():
        if eager:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
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


def test_a_task_is_looked_at_in_each_of_its_states():
    def look(task):
        printed = io.StringIO()
        asyncio.print_call_graph(task, file=printed)
        task.print_stack(file=printed)
        return [entry.frame.f_code.co_name for entry in asyncio.capture_call_graph(task).call_stack]

    async def waits_bestowed():
        waits(0)

    async def main():
        task = asyncio.create_task(waits_bestowed())
        bestow_portal(task)
        assert look(task) == ["waits_bestowed"]
        await asyncio.sleep(0)
        assert look(task) == ["sleep", "waits", "waits_bestowed"]
        await task
        assert look(task) == []

    asyncio.run(main())


@pytest.mark.needs_native(reason="below a greenlet lies whatever the thread has there by now")
@pytest.mark.skipif(not hasattr(faulthandler, "dump_c_stack"), reason="cannot dump the C stack")
def test_the_c_stack_of_a_portal_is_dumped(tmp_path):
    def dumps():
        with (tmp_path / "dump").open("w+") as file:
            faulthandler.dump_c_stack(file)
            await_(asyncio.sleep(0))
            faulthandler.dump_c_stack(file)
            file.seek(0)
            return file.read()

    dumped = asyncio.run(with_portal_run_sync(dumps))
    assert dumped.count("Current thread's C stack trace") == 2


COMPILED = """
    import asyncio, sys
    from switchback import await_, with_portal_run_sync

    def loop(rounds):
        sum = compiled = 0
        for number in range(rounds):
            sum += number
            if number % 500 == 0:
                await_(asyncio.sleep(0))
                compiled += sys._jit.is_active()
        return sum, compiled

    async def main():
        loops = (with_portal_run_sync(loop, 60_000 + each) for each in range(6))
        return await asyncio.gather(*loops)

    sums, compiled = zip(*asyncio.run(main()))
    assert sums == tuple(sum(range(60_000 + each)) for each in range(6)), sums
    print(sys._jit.is_enabled(), sum(compiled) > 0)
"""


def test_portals_take_turns_in_compiled_code():
    if not hasattr(sys, "_jit") or not sys._jit.is_available():
        pytest.skip("this Python has no JIT compiler")
    child = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(COMPILED)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHON_JIT": "1"},
    )
    assert (child.returncode, child.stderr) == (0, ""), child
    assert child.stdout.startswith("True "), child


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
            if (
                switchback.settings.backend == "native"
            ):  # greenlet hides the frames below a greenlet
                assert outermost == "<module>"
            assert has_portal or not inside
            if inside:
                break
        assert inside
