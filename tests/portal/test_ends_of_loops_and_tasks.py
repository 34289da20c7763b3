"""Loops and tasks that end early, or by an interrupt, close what they have suspended."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys

import pytest

import switchback
from switchback import await_, ensure_portal

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


def test_async_generators_are_finalized_by_the_loop(asyncio_library):
    log = []

    async def generator():
        try:
            yield 1
        finally:
            sync_cleanup()
            log.append("closed")

    def sync_cleanup():
        if switchback.has_portal():
            await_(asyncio.sleep(0))
            log.append("awaited")

    kept = []

    def sync():
        iterator = switchback.async_iter(generator())
        kept.append(iterator)
        return next(iterator)

    async def main():
        await ensure_portal()
        assert sync() == 1
        hooks = sys.get_asyncgen_hooks()
        assert hooks.finalizer is not None
        # Dropped, of which the loop hears by the hook, and closes it in a task of its own.
        kept.clear()
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        assert log == ["closed"]
        # Left to the end of the loop.
        assert sync() == 1

    asyncio_library.run(main)
    assert log == ["closed", "closed"]


def test_aclose_may_await_in_finally(library):
    log = []

    async def generator():
        try:
            yield 1
            yield 2
        finally:
            cleanup()

    def cleanup():
        await_(library.checkpoint())
        log.append("awaited")

    def sync():
        iterator = switchback.async_iter(generator())
        next(iterator)
        iterator.close()

    async def main():
        await ensure_portal()
        sync()
        sync()

    library.run(main)
    assert log == ["awaited", "awaited"]


# Loops and tasks that end early


def test_tasks_left_over_are_cancelled_by_asyncio_run(asyncio_library):
    log = []

    def sync(number):
        try:
            await_(asyncio.sleep(100))
        except asyncio.CancelledError:
            await_(asyncio.sleep(0))
            log.append(number)
            raise

    async def child(number):
        await ensure_portal()
        sync(number)

    async def main():
        tasks = [asyncio.create_task(child(number)) for number in range(10)]
        await asyncio.sleep(0.01)
        return tasks

    tasks = asyncio_library.run(main)
    assert sorted(log) == list(range(10))
    assert all(task.cancelled() for task in tasks)


def test_a_loop_closed_with_suspended_portals(asyncio_library, caplog):
    log = []
    futures = []

    def sync():
        futures.append(asyncio.get_running_loop().create_future())
        try:
            await_(futures[-1])
        finally:
            log.append("finally")

    async def child():
        await ensure_portal()
        sync()

    loop = asyncio_library._new_event_loop()
    tasks = [loop.create_task(child()) for _ in range(3)]
    for _ in range(5):
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.close()
    assert log == []
    for task in tasks:
        # Only its coroutine: a task cannot be cancelled once its loop is closed.
        task.get_coro().close()
    assert log == ["finally"] * 3
    del task, tasks
    futures.clear()
    gc.collect()
    caplog.clear()  # "Task was destroyed but it is pending!", rightly


@pytest.mark.not_under(
    "leak", reason="is expected to fail, that is to leave the task with its portal"
)
@pytest.mark.needs_native(reason="greenlets do not show what their stack refers to")
def test_a_task_that_only_its_own_stack_refers_to_is_collected(asyncio_library, caplog):
    log = []

    def sync():
        try:
            await_(asyncio.get_running_loop().create_future())
        finally:
            log.append("finally")

    async def child():
        await ensure_portal()
        sync()

    loop = asyncio_library._new_event_loop()
    task = loop.create_task(child())
    for _ in range(5):
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.close()
    assert log == []
    task._log_destroy_pending = False  # if not here, it is destroyed when the process ends
    del task
    gc.collect()
    assert log == ["finally"]
    caplog.clear()  # "Task was destroyed but it is pending!", rightly


def test_a_dropped_task_is_collected_with_its_portal(asyncio_library, caplog):
    log = []

    def sync():
        future = asyncio.get_running_loop().create_future()
        try:
            await_(future)
        finally:
            log.append("finally")

    async def child():
        await ensure_portal()
        sync()

    async def main():
        task = asyncio.create_task(child())
        for _ in range(4):
            await asyncio.sleep(0)
        del task
        gc.collect()
        return list(log)

    # The frames of the synchronous function hold the future, and the future holds the task. A
    # greenlet does not show that, so there the task may stay until the loop ends.
    before = asyncio_library.run(main)
    assert before in ([], ["finally"])
    gc.collect()
    assert log == ["finally"]


@pytest.fixture
def interruptible():
    """Has Ctrl-C raise, which a process that a shell has put into the background ignores."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def test_keyboard_interrupt_while_suspended(interruptible):
    log = []

    def sync():
        try:
            await_(asyncio.sleep(30))
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        finally:
            await_(asyncio.sleep(0))
            log.append("finally")

    async def main():
        await ensure_portal()
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
        sync()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert log == ["cancelled", "finally"]


def test_keyboard_interrupt_while_suspended_under_trio(interruptible, trio_library):
    import trio

    log = []

    def sync():
        try:
            await_(trio.sleep(30))
        finally:
            log.append("finally")

    async def interrupt():
        await trio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupt)
            await ensure_portal()
            sync()

    with pytest.raises(BaseException) as raised:
        trio.run(main)
    assert (
        raised.group_contains(KeyboardInterrupt)
        if isinstance(raised.value, BaseExceptionGroup)
        else isinstance(raised.value, KeyboardInterrupt)
    )
    assert log == ["finally"]


def test_keyboard_interrupt_while_running_in_the_synchronous_part(library):
    log = []

    def sync():
        await_(library.checkpoint())
        try:
            signal.raise_signal(signal.SIGINT)
            for _ in range(1000):
                pass
        except KeyboardInterrupt:
            log.append("interrupted")
            raise
        finally:
            await_(library.checkpoint())
            log.append("finally")

    async def main():
        await ensure_portal()
        # asyncio.Runner's handler cancels the task; this is for what it does not handle.
        previous = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                sync()
        finally:
            signal.signal(signal.SIGINT, previous)
        await_(library.checkpoint())

    library.run(main)
    assert log == ["interrupted", "finally"]


def test_system_exit_leaves_a_portal(asyncio_library):
    def sync():
        await_(asyncio.sleep(0))
        raise SystemExit(3)

    async def main():
        await ensure_portal()
        sync()

    with pytest.raises(SystemExit) as raised:
        asyncio_library.run(main)
    assert raised.value.code == 3
