"""patch_asyncio(): asyncio.run() and its relatives inside a loop that runs."""

import asyncio
import contextlib
import contextvars
import functools
import sys

import anyio
import pytest
from support.libraries import UVLOOP
from support.whole import new_event_loop

import switchback
from switchback import NoPortalError, has_portal
from switchback._frameworks import _asyncio_portals

uvloop = pytest.importorskip("uvloop")
variable = contextvars.ContextVar("variable", default="outside")
WAYS_OF_ASYNCIO = {
    "asyncio.run": (asyncio, "run"),
    "asyncio.runners.run": (asyncio.runners, "run"),
    "Runner.run": (asyncio.Runner, "run"),
    "Runner.close": (asyncio.Runner, "close"),
    "run_until_complete": (asyncio.BaseEventLoop, "run_until_complete"),
    "run_until_complete of uvloop": (uvloop.Loop, "run_until_complete"),
    "anyio.run": (anyio, "run"),
    "uvloop.run": (uvloop, "run"),
}


@pytest.fixture(autouse=True)
def patched():
    before = {name: getattr(*place) for name, place in WAYS_OF_ASYNCIO.items()}
    switchback.patch_asyncio()
    switchback.patch_asyncio()
    assert all(getattr(*place) is not before[name] for name, place in WAYS_OF_ASYNCIO.items())
    yield
    switchback.unpatch_asyncio()
    switchback.unpatch_asyncio()
    assert {name: getattr(*place) for name, place in WAYS_OF_ASYNCIO.items()} == before
    assert "run_until_complete" not in vars(asyncio.SelectorEventLoop)
    for loop in [entry() for entry in _asyncio_portals._enabled.values()]:
        switchback.disable(loop)


@pytest.fixture(params=["asyncio", UVLOOP])
def outer(request):
    factory = functools.partial(new_event_loop, request.param)
    return lambda main: _run(main, factory)


def _run(main, factory):
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


async def later(value, seconds=0.0):
    await asyncio.sleep(seconds)
    return value


WAYS = {
    "asyncio.run": lambda async_fn, *args: asyncio.run(async_fn(*args)),
    "run_until_complete": lambda async_fn, *args: asyncio.get_running_loop().run_until_complete(
        async_fn(*args)
    ),
    "run_until_complete of a task": lambda async_fn, *args: (
        asyncio.get_running_loop().run_until_complete(asyncio.ensure_future(async_fn(*args)))
    ),
    "anyio.run": lambda async_fn, *args: anyio.run(async_fn, *args),
    "uvloop.run": lambda async_fn, *args: uvloop.run(async_fn(*args)),
    "switchback.run": lambda async_fn, *args: switchback.run(async_fn(*args)),
}


@pytest.fixture(params=WAYS)
def run_inside(request):
    return WAYS[request.param]


def test_it_waits_on_the_loop_that_runs(outer, run_inside):
    async def inner():
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is not task
        return await later("inner", 0.001)

    async def main():
        nonlocal loop, task
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        ticks = []
        ticker = loop.create_task(ticking(ticks))
        assert run_inside(inner) == "inner"
        assert asyncio.current_task() is task
        assert asyncio.get_running_loop() is loop
        assert ticks
        ticker.cancel()

    async def ticking(ticks):
        while True:
            ticks.append(0)
            await asyncio.sleep(0)

    loop = task = None
    outer(main())


def test_fifty_end_in_any_order(outer, run_inside):
    ended = []

    async def one(number):
        assert run_inside(later, number, 0.05 - number / 1000) == number
        ended.append(number)

    async def main():
        await asyncio.gather(*map(one, range(50)))

    outer(main())
    assert ended != sorted(ended) and sorted(ended) == list(range(50))


def test_calls_inside_of_one_another(outer, run_inside):
    async def deeper(depth):
        await asyncio.sleep(0)
        return 1 + run_inside(deeper, depth - 1) if depth else 0

    async def main():
        return run_inside(deeper, 10)

    assert outer(main()) == 10


def test_exceptions_cancellations_and_timeouts(outer, run_inside):
    async def fails():
        raise LookupError("mine")

    async def waits():
        run_inside(asyncio.sleep, 10)

    async def main():
        with pytest.raises(LookupError, match="mine"):
            run_inside(fails)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waits(), 0.01)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await waits()
        with anyio.move_on_after(0.01) as scope:
            await waits()
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError):
            run_inside(asyncio.wait_for, asyncio.sleep(10), 0.01)
        assert run_inside(later, "goes on") == "goes on"

    outer(main())


def test_context_variables(outer, run_inside):
    async def inner():
        assert variable.get() == "main"
        variable.set("inner")

    async def main():
        variable.set("main")
        run_inside(inner)
        return variable.get()

    assert outer(main()) == "main"


def test_async_generators_are_finalized(outer, run_inside):
    finished = []

    async def generator():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            finished.append(1)

    async def inner():
        async for _ in generator():
            break

    async def main():
        run_inside(inner)
        await asyncio.sleep(0.01)

    outer(main())
    assert finished == [1]


def test_a_callback_on_the_standard_librarys_loop(run_inside):
    order = []

    def callback(result):
        try:
            run_inside(later, None, 0.001)
            order.append("callback")
            result.set_result(run_inside(later, "from a callback"))
        except BaseException as error:
            result.set_exception(error)

    async def main():
        loop = asyncio.get_running_loop()
        results = [loop.create_future() for _ in range(20)]
        for result in results:
            loop.call_soon(callback, result)
            loop.call_soon(order.append, "between")
        other = asyncio.create_task(later("other", 0.001))
        assert await asyncio.gather(*results) == ["from a callback"] * 20
        assert await other == "other"

    asyncio.run(main())
    assert order.count("between") == order.count("callback") == 20


def test_a_callback_on_uvloop_is_told_why_not(run_inside):
    caught = []

    def callback():
        try:
            run_inside(later, 1)
        except NoPortalError as error:
            caught.append(str(error))

    async def main():
        asyncio.get_running_loop().call_soon(callback)
        await asyncio.sleep(0.01)

    _run(main(), uvloop.new_event_loop)
    assert "a callback of the event loop" in caught[0]
    assert "uvloop.Loop cannot turn inside itself" in caught[0]


def test_a_task_without_a_portal_on_the_standard_librarys_loop(run_inside):
    switchback.unpatch_asyncio()

    async def waits():
        run_inside(asyncio.sleep, 10)

    async def main():
        switchback.patch_asyncio()
        switchback.disable()
        assert not has_portal()
        task = asyncio.current_task()
        assert run_inside(later, "done", 0.001) == "done"
        assert asyncio.current_task() is task
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                run_inside(asyncio.sleep, 10)
        # Before, a task that is cancelled while it runs is cancelled as it waits next, in any case.
        with contextlib.nullcontext() if sys.version_info >= (3, 13) else again:
            await asyncio.sleep(0)
        return "goes on"

    again = pytest.raises(asyncio.CancelledError)
    with asyncio.Runner() as runner:
        assert runner.run(main()) == "goes on"


def test_a_loop_of_ones_own_goes_on_together_with_the_outer_one(outer):
    async def inner(loop):
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0.02)
        return await has_inner_tasks()

    async def has_inner_tasks():
        return sum(await asyncio.gather(*(later(n, n / 1000) for n in range(10))))

    async def main():
        ticks = []

        async def ticking():
            while True:
                ticks.append(asyncio.get_running_loop())
                await asyncio.sleep(0.001)

        ticker = asyncio.create_task(ticking())
        task = asyncio.current_task()
        loop = asyncio.SelectorEventLoop()
        assert loop.run_until_complete(inner(loop)) == 45
        loop.close()
        assert asyncio.run(later("apart", 0.01), loop_factory=asyncio.SelectorEventLoop) == "apart"
        assert asyncio.current_task() is task
        assert len(ticks) >= 3 and set(ticks) == {asyncio.get_running_loop()}
        ticker.cancel()

    outer(main())


def test_runners_of_their_own(outer):
    async def sets():
        variable.set("set")
        return asyncio.get_running_loop()

    async def gets():
        return variable.get()

    async def main():
        with asyncio.Runner() as runner:
            assert runner.run(sets()) is runner.get_loop()
            assert runner.run(gets()) == "set"
        coroutine = gets()
        with pytest.raises(RuntimeError, match="Runner is closed"):
            runner.run(coroutine)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            assert runner.run(gets()) == "outside"

    outer(main())


def test_a_cancellation_ends_a_loop_of_ones_own(outer):
    ended = []

    async def inner():
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0)
            ended.append("inner")

    async def one():
        asyncio.run(inner(), loop_factory=asyncio.SelectorEventLoop)

    async def main():
        tasks = [asyncio.create_task(one()) for _ in range(5)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)

    outer(main())
    assert ended == ["inner"] * 5


def test_what_is_no_coroutine(outer):
    async def main():
        for call in (asyncio.run, uvloop.run, asyncio.get_running_loop().run_until_complete):
            with pytest.raises(TypeError, match="runs a coroutine, not 'int'"):
                call(3)
        return asyncio.run(later("goes on"))

    assert outer(main()) == "goes on"


def test_outside_of_a_loop_all_is_as_ever():
    async def main():
        return has_portal()

    assert asyncio.run(main())
    assert anyio.run(main)
    assert anyio.run(main, backend="trio") is False
    assert uvloop.run(main())
    with pytest.raises((TypeError, ValueError)):
        asyncio.run(3)


def test_undone_while_another_has_patched_since(monkeypatch):
    ours = asyncio.run
    monkeypatch.setattr(asyncio, "run", lambda main: ours(main))
    theirs = asyncio.run
    switchback.unpatch_asyncio()
    assert asyncio.run is theirs
    monkeypatch.undo()
    asyncio.run = asyncio.runners.run
