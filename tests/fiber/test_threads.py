"""Portals belong to a thread, which closes them when it ends."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time

import pytest
from support.by_hand import suspended, trap
from support.threads import in_thread

from switchback import _engine, await_, ensure_portal, with_portal_run_sync

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


@pytest.mark.threads
def test_a_portal_dropped_in_another_thread_is_closed_in_its_own():
    log = []

    def sync():
        try:
            await_(trap())
        finally:
            log.append(threading.get_ident())

    holder = [suspended(sync)]
    in_thread(holder.clear)
    assert log in ([], [threading.get_ident()])
    # At the next step of any portal at the latest.
    with pytest.raises(StopIteration):
        _engine.open_call_portal(int, ()).send(None)
    assert log == [threading.get_ident()]


def natively_suspended(log):
    async def native():
        try:
            return await trap()
        finally:
            log.append(threading.get_ident())

    portal = _engine.open_portal(native())
    portal.send(None)
    return portal


@pytest.mark.threads
def test_a_portal_in_a_native_await_is_resumed_in_any_thread_as_a_coroutine_is():
    def resume():
        with pytest.raises(StopIteration) as stop:
            portal.send("answer")
        return stop.value.value, threading.get_ident()

    log = []
    portal = natively_suspended(log)
    answer, thread_id = in_thread(resume)
    assert answer == "answer"
    assert log == [thread_id] != [threading.get_ident()]


@pytest.mark.threads
@pytest.mark.parametrize("way", ["close", "drop"])
def test_a_portal_in_a_native_await_is_ended_in_any_thread_as_a_coroutine_is(way):
    def end():
        if way == "close":
            holder[0].close()
        holder.clear()
        return threading.get_ident()

    log = []
    holder = [natively_suspended(log)]
    assert log == []
    thread_id = in_thread(end)
    assert log == [thread_id] != [threading.get_ident()]


@pytest.mark.threads
def test_a_thread_that_ends_with_suspended_portals():
    log = []

    def sync():
        try:
            await_(trap())
        except GeneratorExit:
            log.append(threading.get_ident())
            raise
        finally:
            log.append("finally")

    def start():
        portals = [suspended(sync) for _ in range(3)]
        threads.append(threading.get_ident())
        return portals

    threads = []
    portals = in_thread(start)
    assert log == [threads[0], "finally"] * 3
    for portal in portals:
        assert portal.close() is None
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            portal.send(None)


@pytest.mark.threads
def test_a_thread_that_ends_closes_those_that_were_dropped_elsewhere():
    log = []
    holder = []
    ready, go = threading.Event(), threading.Event()

    def sync():
        try:
            await_(trap())
        finally:
            log.append(threading.get_ident())

    def start():
        holder.append(suspended(sync))
        ready.set()
        go.wait()
        return threading.get_ident()

    thread_ids = []
    thread = threading.Thread(target=lambda: thread_ids.append(start()))
    thread.start()
    ready.wait()
    holder.clear()
    assert log == []
    go.set()
    thread.join()
    assert log == thread_ids


@pytest.mark.threads
@pytest.mark.not_under(
    "leak", reason="code that refuses to close is left suspended, with its stack"
)
def test_a_thread_that_ends_with_portals_that_refuse_to_close(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reported.append(str(args.exc_value)))
    go_on = True

    def sync():
        while go_on:
            try:
                await_(trap())
            except GeneratorExit:
                pass

    portal = in_thread(suspended, sync)
    assert set(reported) == {"coroutine ignored GeneratorExit"}
    for name, *arguments in (("send", None), ("throw", KeyError), ("close",)):
        with pytest.raises(
            RuntimeError, match=r"suspended in await_\(\) in thread \d+, which has ended"
        ):
            getattr(portal, name)(*arguments)
    # Its code can never run again: leaked, on purpose, rather than run in the wrong thread.
    del portal
    gc.collect()
    assert suspended(lambda: await_(trap())).close() is None


@pytest.mark.threads
def test_a_thread_that_ends_while_portals_await_as_they_close():
    log = []

    def sync():
        try:
            await_(trap())
        finally:
            # Portals work until the end, also new ones.
            inner = _engine.open_call_portal(lambda: await_(trap("inner")), ())
            log.append(inner.send(None))
            with pytest.raises(StopIteration, match="7"):
                inner.send(7)

    in_thread(suspended, sync)
    assert log == ["inner"]


@pytest.mark.threads
def test_what_runs_after_the_portals_of_a_thread_were_closed():
    log = []

    class Last:
        def __init__(self):
            self.portal = None

        def __del__(self):
            # Whichever is dropped first, the thread's locals or what watches the thread.
            log.append("del")
            portal = suspended(lambda: await_(trap()))
            portal.close()

    local = threading.local()

    def start():
        local.first = Last()
        portal = suspended(lambda: await_(trap()))
        local.last = Last()
        return portal

    in_thread(start)
    gc.collect()
    assert log == ["del", "del"]


@pytest.mark.threads
def test_many_threads_with_loops_of_their_own(asyncio_library):
    def sync(number):
        for _ in range(20):
            await_(asyncio.sleep(0))
        return number

    async def main(number):
        return await asyncio.gather(*[with_portal_run_sync(sync, number) for _ in range(20)])

    results = []

    def run(number):
        results.append(asyncio_library.run(main, number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [[number] * 20 for number in range(8)]


@pytest.mark.threads
def test_a_loop_made_in_one_thread_runs_in_another(asyncio_library):
    async def main():
        await ensure_portal()
        await_(asyncio.sleep(0))
        await_(asyncio.sleep(0.001))
        return threading.get_ident()

    loop = asyncio_library._new_event_loop()
    try:
        for _ in range(2):  # one after the other: a portal stays in the thread where it suspends
            task = loop.create_task(main())
            assert in_thread(loop.run_until_complete, task) != threading.get_ident()
        assert loop.run_until_complete(main()) == threading.get_ident()
    finally:
        loop.close()


@pytest.mark.threads
def test_a_loop_with_suspended_portals_that_moves_to_another_thread(asyncio_library):
    log = []

    def sync(gate):
        try:
            await_(gate)
        finally:
            log.append(threading.get_ident())

    async def main(gate):
        await ensure_portal()
        sync(gate)

    async def turn():
        await asyncio.sleep(0.001)

    def run(gate, task):
        gate.set_result(None)
        loop.run_until_complete(task)

    loop = asyncio_library._new_event_loop()
    try:
        gates = [loop.create_future() for _ in range(3)]
        tasks = [loop.create_task(main(gate)) for gate in gates]
        loop.run_until_complete(turn())
        for gate, task in zip(gates, tasks, strict=True):
            with pytest.raises(
                RuntimeError, match=r"in thread 'MainThread', and can only be resumed there"
            ):
                in_thread(run, gate, task)
        assert log == []
        # The tasks have failed, and their portals were dropped: it is for this thread to end them.
        assert loop.run_until_complete(with_portal_run_sync(int)) == 0
        del task, tasks
        gc.collect()
        assert loop.run_until_complete(with_portal_run_sync(int)) == 0
        assert log == [threading.get_ident()] * 3
    finally:
        loop.close()


@pytest.mark.threads
@pytest.mark.needs_native(reason="is about stacks of our own")
def test_the_stacks_of_a_thread_are_given_back_when_it_ends():
    def use():
        portals = [suspended(lambda: await_(trap())) for _ in range(50)]
        for portal in portals[:20]:
            portal.close()
        during.append(_engine.live_stacks())
        return portals

    during = []
    before = _engine.live_stacks()
    portals = in_thread(use)
    assert during == [before + 50]
    # join() does not wait for the last that a thread does.
    deadline = time.monotonic() + 20
    while _engine.live_stacks() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _engine.live_stacks() == before
    del portals
