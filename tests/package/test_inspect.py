"""Stacks of suspended tasks: `switchback.inspect`, and those that stackscope shows."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from support.children import check_code

import switchback.inspect
from switchback import await_, ensure_portal, with_portal_run_sync


async def leaf(event):
    await event.wait()


def inner(event):
    return sorted([1], key=lambda _: await_(leaf(event)))


def middle(event):
    return inner(event)


async def outer(event):
    await ensure_portal()
    await asyncio.sleep(0)
    middle(event)


async def in_call(event):
    await with_portal_run_sync(middle, event)


EXPECTED = {
    "outer": ["outer", "middle", "inner", "<lambda>", "leaf", "wait"],
    "in_call": ["in_call", "with_portal_run_sync", "middle", "inner", "<lambda>", "leaf", "wait"],
}


async def suspended(async_fn, look):
    """Call look(task) while the task is suspended in await_()."""
    event = asyncio.Event()
    task = asyncio.create_task(async_fn(event))
    for _ in range(5):
        await asyncio.sleep(0)
    try:
        return look(task)
    finally:
        event.set()
        await task


def names(summary):
    return [frame.name for frame in summary]


@pytest.mark.parametrize("async_fn", [outer, in_call])
def test_a_stack_has_the_async_and_the_synchronous_frames_in_order(async_fn):
    found = asyncio.run(suspended(async_fn, switchback.inspect.extract_stack))
    assert names(found) == EXPECTED[async_fn.__name__]
    assert found[-3].line == "return sorted([1], key=lambda _: await_(leaf(event)))"


@pytest.mark.threads
def test_a_stack_may_be_of_another_thread():
    def look(task):
        found = []
        thread = threading.Thread(
            target=lambda: found.append(switchback.inspect.extract_stack(task))
        )
        thread.start()
        thread.join()
        return found[0]

    assert names(asyncio.run(suspended(outer, look))) == EXPECTED["outer"]


def test_a_task_that_awaits_natively_has_its_frames_as_well():
    async def waits(event):
        await ensure_portal()
        await leaf(event)

    assert names(asyncio.run(suspended(waits, switchback.inspect.extract_stack))) == [
        "waits",
        "leaf",
        "wait",
    ]


def test_what_awaits_by_a_generator_is_looked_through():
    class Waits:
        def __init__(self, event):
            self.event = event

        def __await__(self):
            return (yield from leaf(self.event).__await__())

    async def waits(event):
        await with_portal_run_sync(lambda: await_(Waits(event)))

    found = names(asyncio.run(suspended(waits, switchback.inspect.extract_stack)))
    assert found == ["waits", "with_portal_run_sync", "<lambda>", "__await__", "leaf", "wait"]


def test_a_task_that_has_ended_has_no_frames():
    async def main():
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        return switchback.inspect.extract_stack(task)

    assert names(asyncio.run(main())) == []


def test_a_stack_is_printed_as_tracebacks_are():
    def look(task):
        switchback.inspect.print_stack(task, file := io.StringIO())
        return file.getvalue()

    text = asyncio.run(suspended(outer, look))
    assert text.startswith('  File "')
    assert text.index("in middle") < text.index("in inner") < text.index("in leaf")


def test_all_portals_that_wait_are_printed():
    def look(task):
        switchback.inspect.print_all(file := io.StringIO())
        return file.getvalue()

    text = asyncio.run(suspended(outer, look))
    # With those that other tests have left.
    count = text.count(" in a switchback portal at ")
    assert f"{count} portals are suspended in await_()" in text
    assert "outer in a switchback portal" in text
    text = text[text.index("outer in a switchback portal") :]
    assert text.index("in middle") < text.index("in inner") < text.index("in leaf")


PROGRAM = """
import asyncio, os, signal, sys, threading
import switchback.inspect
from switchback import await_, with_portal_run_sync

def waits():
    await_(asyncio.sleep(0.3))

async def main():
    switchback.inspect.on_signal(signal.SIGUSR1, sys.stdout)
    asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGUSR1)
    await with_portal_run_sync(waits)

asyncio.run(main())
"""


@pytest.mark.in_child_process
@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no such signal here")
def test_a_signal_has_all_printed():
    text = check_code(PROGRAM, switchback.settings.backend)
    assert "in waits" in text
    assert "1 portals are suspended" in text


def test_what_is_no_task_is_refused():
    with pytest.raises(TypeError):
        switchback.inspect.extract_stack(5)
    with pytest.raises(TypeError, match="expected a portal"):
        switchback._engine.innermost_frame(5)


# stackscope


@pytest.mark.in_child_process
@pytest.mark.parametrize("as_greenback", [False, True])
def test_stackscope_shows_the_frames_in_order(as_greenback):
    if importlib.util.find_spec("stackscope") is None:
        pytest.skip("needs stackscope")
    program = f"""
        import asyncio, switchback
        if {as_greenback}:
            switchback.install_as_greenback()
        import stackscope
        if {as_greenback}:
            import greenback
            assert greenback.await_ is switchback.await_
        from switchback import await_, ensure_portal

        async def leaf():
            await asyncio.sleep(0.01)

        def inner():
            await_(leaf())

        async def outer():
            await ensure_portal()
            inner()

        async def main():
            task = asyncio.create_task(outer())
            for _ in range(3):
                await asyncio.sleep(0)
            stack = stackscope.extract(task.get_coro())
            assert stack.error is None, stack.error
            print([frame.funcname for frame in stack.frames])
            await task

        asyncio.run(main())
    """
    text = check_code(program, switchback.settings.backend)
    assert text.splitlines()[-1] == "['outer', 'inner', 'leaf', 'sleep']"


@pytest.mark.in_child_process
def test_an_import_of_the_package_does_not_import_stackscope():
    code = "import sys, switchback; print('stackscope' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True)
    assert found.stdout.strip() == b"False"
