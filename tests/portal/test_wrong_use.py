"""await_() where it cannot work: an error that names the remedy, and no harm to anything else."""

from __future__ import annotations

import asyncio
import threading
import types

import pytest
from conftest import without_running_loop

from switchback import (
    NoPortalError,
    _engine,
    autoawait,
    await_,
    bestow_portal,
    ensure_portal,
    has_portal,
    with_portal_run,
    with_portal_run_sync,
)


class Probe:
    """An awaitable of which one can ask how far it got, and whether it was closed."""

    def __init__(self, trap):
        self.started = self.closed = False
        self._trap = trap

    async def coroutine(self):
        self.started = True
        try:
            await self._trap
        except GeneratorExit:
            self.closed = True
            raise


@types.coroutine
def trap():
    return (yield "trap")


async def never():
    raise AssertionError("this was to be refused")


def run_thread(function):
    """Call a function in a thread of its own, and return or raise what it does."""
    outcome = []

    def call():
        try:
            outcome.append((function(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=call, name="the worker")
    thread.start()
    thread.join()
    [(result, error)] = outcome
    if error is not None:
        raise error
    return result


# The awaitable of a refused await_() is closed: a warning about it would fail these tests.


def test_without_a_loop():
    assert not has_portal()
    with pytest.raises(NoPortalError, match=r"switchback portal.*with_portal_run\(main\)"):
        await_(never())


def test_no_portal_error_is_a_runtime_error():
    assert issubclass(NoPortalError, RuntimeError)


def test_in_a_task_without_a_portal(library):
    async def main():
        with pytest.raises(NoPortalError, match=r"await ensure_portal|ensure_portal\(\)"):
            await_(never())
        await library.checkpoint()
        await ensure_portal()
        await_(library.checkpoint())

    library.run(main)


def test_after_with_portal_run_has_ended(library):
    async def main():
        await with_portal_run_sync(lambda: await_(library.checkpoint()))
        with pytest.raises(NoPortalError, match="with_portal_run"):
            await_(never())

    library.run(main)


def test_with_a_portal_that_is_not_active_yet(library):
    async def main():
        bestow_portal(library.current_task())
        assert not has_portal()
        assert not has_portal(library.current_task())
        with pytest.raises(NoPortalError, match="must yield to the event loop"):
            await_(never())
        await library.checkpoint()
        assert has_portal()
        await_(library.checkpoint())

    library.run(main)


def test_what_cannot_be_awaited_is_a_type_error(library):
    async def main():
        await ensure_portal()
        with pytest.raises(TypeError, match=r"int.* can't be (used in 'await'|awaited)"):
            await_(42)
        with pytest.raises(TypeError, match=r"can't be (used in 'await'|awaited)"):
            await_(never)
        await_(library.checkpoint())

    library.run(main)


def test_in_a_worker_thread(asyncio_library):
    async def main():
        await ensure_portal()
        with pytest.raises(NoPortalError, match=r"run_coroutine_threadsafe"):
            await_(asyncio.to_thread(lambda: await_(never())))
        with pytest.raises(NoPortalError, match="'the worker'"):
            run_thread(lambda: await_(never()))
        assert not run_thread(has_portal)
        await_(asyncio.sleep(0))

    asyncio_library.run(main)


def test_in_a_worker_thread_of_trio(trio_library):
    import trio

    async def main():
        await ensure_portal()
        with pytest.raises(NoPortalError, match=r"trio\.from_thread\.run"):
            await_(trio.to_thread.run_sync(lambda: await_(never())))
        await_(trio.sleep(0))

    trio_library.run(main)


def test_in_a_callback(asyncio_library):
    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def callback():
            assert not has_portal()
            try:
                await_(never())
            except NoPortalError as error:
                done.set_result(str(error))

        await ensure_portal()
        loop.call_soon(callback)
        assert "with_portal_run" in await_(done)

    asyncio_library.run(main)


def test_in_a_callback_called_from_a_portal(asyncio_library):
    # A loop that is run by hand inside a portal: no task is the current one in its callbacks.
    def sync():
        loop = asyncio.new_event_loop()
        errors = []

        def callback():
            probe = Probe(asyncio.sleep(0))
            try:
                await_(probe.coroutine())
            except NoPortalError as error:
                errors.append((str(error), probe.closed))
            loop.stop()

        loop.call_soon(callback)
        with without_running_loop():
            loop.run_forever()
            loop.close()
        await_(asyncio.sleep(0))
        return errors

    [(text, closed)] = asyncio_library.run(with_portal_run_sync, sync)
    assert "portal" in text
    assert closed


# A loop run inside a portal's synchronous code


def run_nested_asyncio(async_fn):
    loop = asyncio.new_event_loop()
    with without_running_loop():
        try:
            return loop.run_until_complete(async_fn())
        finally:
            loop.close()


def run_nested_trio(async_fn):
    return pytest.importorskip("trio").run(async_fn)


def checkpoint_of(runner):
    if runner is run_nested_asyncio:
        return asyncio.sleep(0)
    return pytest.importorskip("trio").lowlevel.checkpoint()


nested_runners = pytest.mark.parametrize(
    "runner", [run_nested_asyncio, run_nested_trio], ids=["asyncio", "trio"]
)
# uvloop and Trio both claim the wake-up descriptor of signals, about which Trio warns.
both_handle_signals = pytest.mark.filterwarnings("ignore:It looks like Trio's signal handling")


def outer_and_inner(library, runner):
    if library.name == "trio" and runner is run_nested_trio:
        pytest.skip("Trio runs in no other Trio run")


@both_handle_signals
@nested_runners
def test_a_nested_loops_task_without_a_portal_is_refused(library, runner):
    outer_and_inner(library, runner)

    async def inner():
        assert not has_portal()
        probe = Probe(checkpoint_of(runner))
        with pytest.raises(NoPortalError, match=r"ensure_portal\(\)"):
            await_(probe.coroutine())
        assert probe.started and probe.closed
        with pytest.raises(NoPortalError, match=r"ensure_portal\(\)"):
            await_(checkpoint_of(runner))
        await checkpoint_of(runner)
        return "inner"

    def sync():
        await_(library.checkpoint())
        assert has_portal()
        result = runner(inner)
        assert has_portal()
        await_(library.checkpoint())
        return result

    async def main():
        assert await with_portal_run_sync(sync) == "inner"
        await ensure_portal()
        assert sync() == "inner"

    library.run(main)


@both_handle_signals
@nested_runners
def test_a_nested_loops_task_with_a_portal_of_its_own_works(library, runner):
    outer_and_inner(library, runner)

    async def inner():
        await with_portal_run_sync(lambda: await_(checkpoint_of(runner)))
        assert not has_portal()
        await ensure_portal()
        assert has_portal()
        for _ in range(3):
            await_(checkpoint_of(runner))
        return "inner"

    def sync():
        await_(library.checkpoint())
        result = runner(inner)
        await_(library.checkpoint())
        return result

    async def main():
        assert await with_portal_run_sync(sync) == "inner"
        await ensure_portal()
        assert sync() == "inner"

    library.run(main)


def test_asyncio_run_in_a_thread_of_a_portals_sync_code(library):
    async def inner(answers):
        answers.append(has_portal())
        with pytest.raises(NoPortalError, match="ensure_portal"):
            await_(asyncio.sleep(0))
        await ensure_portal()
        await_(asyncio.sleep(0))
        answers.append(has_portal())

    def sync():
        answers = []
        run_thread(lambda: asyncio.run(inner(answers)))
        await_(library.checkpoint())
        return answers

    assert library.run(with_portal_run_sync, sync) == [False, True]


def test_asyncio_run_inside_a_portal_is_refused_by_asyncio_alone():
    async def inner():
        raise AssertionError

    def sync():
        coroutine = inner()
        with pytest.raises(RuntimeError, match="running event loop"):
            asyncio.run(coroutine)
        coroutine.close()
        await_(asyncio.sleep(0))

    asyncio.run(with_portal_run_sync(sync))


def test_a_hand_driven_coroutine_inside_a_portal_waits_in_the_outer_loop(library):
    # No other task is current: as with `await`, whatever drives the coroutine is not asked.
    async def inner():
        await_(library.checkpoint())

    def sync():
        with pytest.raises(StopIteration):
            inner().send(None)

    library.run(with_portal_run_sync, sync)


# bestow_portal()


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


# What goes on after an error


def test_the_portal_and_the_loop_go_on_after_errors(library):
    @autoawait
    async def work(number):
        await library.checkpoint()
        return number

    async def child():
        await ensure_portal()
        total = 0
        for number in range(5):
            with pytest.raises(TypeError):
                await_(number)
            with pytest.raises(NoPortalError):
                run_thread(lambda: await_(never()))
            total += work(number)
        return total

    async def main():
        return await library.gather(*[child] * 5)

    assert library.run(main) == [10] * 5


def test_a_call_resumed_in_another_thread_fails_and_its_portal_is_closed_in_its_own():
    def sync():
        try:
            await_(trap())
        finally:
            ended_in.append(threading.current_thread())

    ended_in = []
    coroutine = with_portal_run_sync(sync)
    assert coroutine.send(None) == "trap"
    with pytest.raises(
        RuntimeError, match=r"in thread 'MainThread', and can only.*not in thread 'the worker'"
    ):
        run_thread(lambda: coroutine.send(1))
    coroutine = None
    with pytest.raises(StopIteration):
        with_portal_run_sync(int).send(None)
    assert ended_in == [threading.current_thread()]


def test_an_engine_portal_resumed_in_another_thread_is_refused_and_stays_usable():
    portal = _engine.open_call_portal(lambda: await_(trap()), ())
    assert portal.send(None) == "trap"
    for step in (lambda: portal.send(1), lambda: portal.throw(ValueError), portal.close):
        with pytest.raises(
            RuntimeError, match=r"in thread 'MainThread', and can only.*not in thread 'the worker'"
        ):
            run_thread(step)
    with pytest.raises(StopIteration) as stop:
        portal.send(5)
    assert stop.value.value == 5


def test_an_awaitable_that_is_awaited_already_is_refused(asyncio_library):
    async def slow():
        await asyncio.sleep(0.01)
        return 1

    async def main():
        coroutine = slow()
        task = asyncio.create_task(coroutine)
        await ensure_portal()
        with pytest.raises(RuntimeError, match="being awaited already"):
            await_(coroutine)
        assert await_(task) == 1
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await_(coroutine)

    asyncio_library.run(main)


async def waits_natively():
    await trap()


async def waits_in_a_call():
    await_(trap())


@pytest.mark.parametrize("async_fn", [waits_natively, waits_in_a_call])
def test_a_portal_that_is_awaited_already_is_refused_as_a_coroutine_is(async_fn):
    async def await_again(awaitable):
        await awaitable

    portal = _engine.open_portal(async_fn())
    owner = await_again(portal)
    assert owner.send(None) == "trap"
    for second in (await_again, lambda portal: with_portal_run_sync(await_, portal)):
        with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
            second(portal).send(None)
    with pytest.raises(StopIteration):
        owner.send(None)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await_again(portal).send(None)


def test_a_portal_of_a_sync_function_that_is_awaited_already_is_refused():
    async def await_again(awaitable):
        return await awaitable

    portal = _engine.open_call_portal(await_, (trap(),))
    owner = await_again(portal)
    assert owner.send(None) == "trap"
    with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
        await_again(portal).send(None)
    with pytest.raises(StopIteration) as stop:
        owner.send("answer")
    assert stop.value.value == "answer"


def test_with_portal_run_of_what_returns_no_awaitable(library):
    async def main():
        with pytest.raises(TypeError, match=r"can't be (used in 'await'|awaited)"):
            await with_portal_run(lambda: 5)
        await with_portal_run_sync(lambda: await_(library.checkpoint()))

    library.run(main)
