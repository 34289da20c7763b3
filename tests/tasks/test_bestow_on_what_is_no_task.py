"""bestow_portal() refuses what is no task of this thread, or none any more."""

from __future__ import annotations

import asyncio
import threading

import pytest

from switchback import (
    await_,
    bestow_portal,
    ensure_portal,
    has_portal,
)

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("value", [None, 1, "task", object()])
def test_bestow_portal_on_what_is_no_task(value):
    with pytest.raises(TypeError, match="expected a task"):
        bestow_portal(value)


def test_bestow_portal_on_a_coroutine_or_a_future(asyncio_library):
    async def main():
        coroutine = asyncio.sleep(0)
        with pytest.raises(TypeError, match="expected a task, not 'coroutine'"):
            bestow_portal(coroutine)
        coroutine.close()
        with pytest.raises(TypeError, match="expected a task, not 'Future'"):
            bestow_portal(asyncio.Future())

    asyncio_library.run(main)


def test_bestow_portal_on_a_finished_task(library):
    async def main():
        tasks = []

        async def child():
            tasks.append(library.current_task())

        await library.gather(child)
        with pytest.raises(RuntimeError, match="has finished"):
            bestow_portal(tasks[0])

    library.run(main)


@pytest.mark.threads
def test_bestow_portal_on_a_task_of_another_thread(asyncio_library):
    waiting = threading.Event()
    found = {}

    async def other():
        found["task"] = asyncio.current_task()
        found["loop"] = asyncio.get_running_loop()
        found["go"] = asyncio.Event()
        waiting.set()
        await found["go"].wait()
        return has_portal()

    results = []
    thread = threading.Thread(target=lambda: results.append(asyncio_library.run(other)))
    thread.start()
    waiting.wait()

    async def main():
        with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
            bestow_portal(found["task"])

    try:
        asyncio_library.run(main)
        with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
            bestow_portal(found["task"])
        assert not has_portal(found["task"])
    finally:
        found["loop"].call_soon_threadsafe(found["go"].set)
        thread.join()
    assert results == [False]


@pytest.mark.threads
def test_the_remedy_for_a_task_of_another_thread_works(asyncio_library):
    waiting = threading.Event()
    found = {}

    async def other():
        found["task"] = asyncio.current_task()
        found["loop"] = asyncio.get_running_loop()
        found["go"] = asyncio.Event()
        waiting.set()
        await found["go"].wait()
        await_(asyncio.sleep(0))
        return has_portal()

    results = []
    thread = threading.Thread(target=lambda: results.append(asyncio_library.run(other)))
    thread.start()
    waiting.wait()
    found["loop"].call_soon_threadsafe(bestow_portal, found["task"])
    found["loop"].call_soon_threadsafe(found["go"].set)
    thread.join()
    assert results == [True]


def test_bestow_portal_on_a_trio_task_of_another_run(trio_library):
    import trio

    waiting = threading.Event()
    found = {}

    async def other():
        found["task"] = trio.lowlevel.current_task()
        found["token"] = trio.lowlevel.current_trio_token()
        found["go"] = trio.Event()
        waiting.set()
        await found["go"].wait()
        return has_portal()

    results = []
    thread = threading.Thread(target=lambda: results.append(trio.run(other)))
    thread.start()
    waiting.wait()

    async def main():
        with pytest.raises(RuntimeError, match="another Trio run"):
            bestow_portal(found["task"])

    try:
        trio.run(main)
        with pytest.raises(RuntimeError, match="another Trio run"):
            bestow_portal(found["task"])
    finally:
        found["token"].run_sync_soon(found["go"].set)
        thread.join()
    assert results == [False]


def test_ensure_portal_outside_of_a_task():
    coroutine = ensure_portal()
    with pytest.raises(RuntimeError, match="with_portal_run"):
        coroutine.send(None)
