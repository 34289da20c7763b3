"""How portals end, in order and out of order, and that nothing is lost or kept on the way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import threading
import time
import types
import weakref

import pytest

import switchback
from switchback import _engine, await_, ensure_portal, with_portal_run, with_portal_run_sync


@types.coroutine
def trap(value=None):
    return (yield value)


def suspended(function, *args):
    """Return a portal that is suspended in the first await_() of a function."""
    portal = _engine.open_call_portal(function, args)
    portal.send(None)
    return portal


# Closing and dropping


def test_close_raises_generator_exit_at_the_call_of_await():
    log = []

    def sync():
        try:
            log.append("before")
            await_(trap())
            log.append("after")
        except GeneratorExit:
            log.append("exit")
            raise
        finally:
            log.append("finally")

    portal = suspended(sync)
    portal.close()
    portal.close()
    assert log == ["before", "exit", "finally"]


def test_close_reaches_the_awaitable_before_the_caller_of_await():
    log = []

    async def awaited():
        try:
            await trap()
        finally:
            log.append("awaited")

    def sync():
        try:
            await_(awaited())
        finally:
            log.append("sync")

    suspended(sync).close()
    assert log == ["awaited", "sync"]


def test_dropping_a_portal_closes_it():
    log = []

    def sync(token):
        try:
            await_(trap())
        except GeneratorExit:
            log.append("exit")
            raise
        finally:
            log.append("finally")

    class Token:
        pass

    token = Token()
    reference = weakref.ref(token)
    portal = suspended(sync, token)
    del token
    assert reference() is not None
    del portal
    assert log == ["exit", "finally"]
    assert reference() is None


def test_dropping_a_portal_around_a_coroutine_closes_the_coroutine():
    log = []

    async def inner():
        try:
            sync()
        finally:
            log.append("inner")

    def sync():
        try:
            await_(trap())
        finally:
            log.append("sync")

    portal = _engine.open_portal(inner())
    portal.send(None)
    del portal
    assert log == ["sync", "inner"]


def test_a_portal_in_a_reference_cycle_is_collected():
    log = []

    def sync(holder):
        try:
            await_(trap())
        finally:
            log.append("finally")

    class Holder:
        pass

    holder = Holder()
    holder.portal = _engine.open_call_portal(sync, ({},))
    holder.portal.send(None)
    holder.itself = holder
    del holder
    gc.collect()
    assert log == ["finally"]


def test_closing_a_portal_that_never_started_runs_nothing():
    log = []
    portal = _engine.open_call_portal(log.append, (1,))
    portal.close()
    assert log == []
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        portal.send(None)


def test_throwing_into_a_portal_that_never_started_runs_nothing():
    log = []
    portal = _engine.open_call_portal(log.append, (1,))
    with pytest.raises(KeyError):
        portal.throw(KeyError(1))
    assert log == []


def test_a_portal_that_ignores_generator_exit_says_so_and_can_go_on():
    def sync():
        try:
            await_(trap(1))
        except GeneratorExit:
            return await_(trap(2))

    portal = suspended(sync)
    with pytest.raises(RuntimeError, match="coroutine ignored GeneratorExit"):
        portal.close()
    with pytest.raises(StopIteration) as stop:
        portal.send("sent")
    assert stop.value.value == "sent"


def test_dropping_a_portal_that_ignores_generator_exit_is_reported(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reported.append(str(args.exc_value)))

    def sync():
        try:
            await_(trap(1))
        except GeneratorExit:
            await_(trap(2))

    portal = suspended(sync)
    del portal
    assert reported == ["coroutine ignored GeneratorExit"]


def test_dropping_a_portal_that_never_gives_in_does_not_hang(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reported.append(str(args.exc_value)))
    give_in = False

    def sync():
        while not give_in:
            with contextlib.suppress(GeneratorExit):
                await_(trap())

    portal = suspended(sync)
    del portal
    assert set(reported) == {"coroutine ignored GeneratorExit"}
    assert len(reported) < 20


def test_an_exception_in_finally_of_a_dropped_portal_is_reported(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reported.append(repr(args.exc_value)))

    def sync():
        try:
            await_(trap())
        finally:
            raise KeyError("in finally")

    portal = suspended(sync)
    del portal
    assert reported == ["KeyError('in finally')"]


def test_stacks_are_given_back_and_used_again():
    for portal in [suspended(lambda: await_(trap())) for _ in range(20)]:
        portal.close()
    idle = _engine.idle_stacks()
    assert idle >= 20
    portals = [suspended(lambda: await_(trap())) for _ in range(10)]
    assert _engine.idle_stacks() == idle - 10
    del portals
    assert _engine.idle_stacks() == idle


def test_ten_thousand_portals_suspended_at_once():
    def sync(number):
        return await_(trap(number)) + number

    portals = [_engine.open_call_portal(sync, (number,)) for number in range(10_000)]
    assert [portal.send(None) for portal in portals] == list(range(10_000))
    half = portals[::2]
    for number, portal in enumerate(half):
        with pytest.raises(StopIteration) as stop:
            portal.send(1)
        assert stop.value.value == 2 * number + 1
    del portals, half, portal
    assert _engine.idle_stacks() <= 1024


def test_stacks_that_are_not_kept_for_reuse_go_back_to_the_system():
    portals = [suspended(lambda: await_(trap())) for _ in range(3000)]
    live = _engine.live_stacks()
    assert live >= 3000
    del portals
    assert _engine.live_stacks() <= live - 3000 + 1024


# Async generators


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


@pytest.mark.xfail(strict=True, reason="the collector cannot see what a suspended stack refers to")
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

    # The frames of the synchronous function hold the future, and the future holds the task. What
    # lies on a stack cannot be shown to the collector, so the task may stay until the loop ends.
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


# Threads


def in_thread(function, *args):
    outcome = []

    def call():
        try:
            outcome.append((function(*args), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    [(result, error)] = outcome
    if error is not None:
        raise error
    return result


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


# Recursion


def depth_of(recurse):
    """Return how deep a function gets that appends to a list at each level."""
    levels = []
    with pytest.raises(RecursionError):
        recurse(levels)
    return len(levels)


def plain(levels):
    levels.append(1)
    plain(levels)


def by_sorted(levels):
    levels.append(1)
    sorted([1], key=lambda _: by_sorted(levels))


def by_repr(levels):
    class Nested:
        def __repr__(self):
            levels.append(1)
            return repr([self])

    class Box:
        def __init__(self, inner):
            self.inner = inner

        def __repr__(self):
            levels.append(1)
            return repr(self.inner)

    # Objects of their own, as repr() of a list breaks cycles through it.
    box = Box(0)
    for _ in range(20_000):
        box = Box([box])
    try:
        repr(box)
    finally:
        while isinstance(box, Box) and box.inner:
            box = box.inner[0]


def by_json(levels):
    def default(_):
        levels.append(1)
        return json.dumps(object(), default=default)

    json.dumps(object(), default=default)


def by_await(levels):
    async def awaited():
        levels.append(1)
        await_(awaited())

    await_(awaited())


RECURSIONS = [plain, by_sorted, by_repr, by_json]


@pytest.mark.parametrize("recurse", RECURSIONS, ids=lambda recurse: recurse.__name__)
def test_recursion_is_as_deep_as_outside(asyncio_library, recurse):
    async def main():
        outside = depth_of(recurse)

        def sync():
            await_(asyncio.sleep(0))
            return depth_of(recurse)

        inside = [await with_portal_run_sync(sync)]
        await ensure_portal()
        inside.append(sync())
        # After an error of that kind, the count has to be right again.
        inside.append(sync())
        return outside, inside

    outside, inside = asyncio_library.run(main)
    # A few levels are the frames below. Where 3.12 counts C calls, it allows itself fewer of them
    # than fit on the stack, so there it may be deeper inside.
    assert all(depth >= outside - 12 for depth in inside), (outside, inside)
    if recurse is plain:
        assert all(depth <= outside + 12 for depth in inside), (outside, inside)


def test_recursion_through_await_ends_in_a_recursion_error(asyncio_library):
    async def main():
        await ensure_portal()
        depths = [depth_of(by_await) for _ in range(3)]
        await_(asyncio.sleep(0))
        assert len(set(depths)) == 1
        return depths[0]

    assert asyncio_library.run(main) > 100


def test_portals_nested_in_portals_end_in_a_recursion_error():
    async def main():
        levels = []

        def nested():
            levels.append(1)
            portal = _engine.open_call_portal(nested, ())
            with contextlib.suppress(StopIteration):
                portal.send(None)

        with pytest.raises(RecursionError):
            nested()
        return len(levels)

    assert asyncio.run(main()) > 100
    assert asyncio.run(with_portal_run(main)) > 100


def test_a_deep_stack_can_suspend_and_come_back(library):
    def sync(depth):
        if depth:
            return sync(depth - 1) + 1
        for _ in range(3):
            await_(library.checkpoint())
        return 0

    async def child():
        await ensure_portal()
        return sync(400)

    async def main():
        return await library.gather(*[child] * 20)

    assert library.run(main) == [400] * 20


# Leaks


def resident_pages():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])


async def _async_value(value):
    await asyncio.sleep(0)
    return value


async def _raise():
    await asyncio.sleep(0)
    raise KeyError


def _caught():
    with contextlib.suppress(KeyError):
        await_(_raise())


async def _task_with_portal():
    await ensure_portal()
    await_(asyncio.sleep(0))


async def _cancelled_task():
    task = asyncio.create_task(_task_with_long_wait())
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _task_with_long_wait():
    await ensure_portal()
    await_(asyncio.sleep(100))


async def _refused():
    with contextlib.suppress(switchback.NoPortalError):
        await_(_async_value(1))


async def _dropped():
    suspended(lambda: await_(trap()))


async def _bad_awaitable():
    await with_portal_run_sync(_await_a_number)


def _await_a_number():
    with contextlib.suppress(TypeError):
        await_(42)


OPERATIONS = {
    "with_portal_run": lambda: with_portal_run(_async_value, object()),
    "with_portal_run_sync": lambda: with_portal_run_sync(lambda: await_(_async_value(object()))),
    "keywords": lambda: with_portal_run_sync(lambda **kwargs: kwargs, a=object()),
    "exception": lambda: with_portal_run_sync(_caught),
    "task": lambda: asyncio.create_task(_task_with_portal()),
    "cancelled task": lambda: _cancelled_task(),
    "refused": lambda: _refused(),
    "dropped": lambda: _dropped(),
    "bad awaitable": lambda: _bad_awaitable(),
    "never started": lambda: _closed(),
}


async def _closed():
    _engine.open_call_portal(print, (object(),), {"end": object()}).close()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_thousand_operations_leave_nothing_behind(operation, asyncio_library):
    async def main():
        for _ in range(50):
            await operation()
        gc.collect()
        objects, blocks = len(gc.get_objects()), sys.getallocatedblocks()
        pages = resident_pages()
        references = [sys.getrefcount(singleton) for singleton in watched]
        for _ in range(1000):
            await operation()
        gc.collect()
        return (
            len(gc.get_objects()) - objects,
            sys.getallocatedblocks() - blocks,
            resident_pages() - pages,
            max(sys.getrefcount(one) - old for one, old in zip(watched, references, strict=True)),
        )

    watched = [_async_value, _engine.Portal, trap, _raise, asyncio.sleep]
    objects, blocks, pages, references = asyncio_library.run(main)
    assert objects < 100
    assert blocks < 500
    if "asan" not in os.environ.get("LD_PRELOAD", ""):  # which holds freed memory back
        assert pages < 400
    assert references < 100
