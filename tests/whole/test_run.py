"""switchback.run() and Runner: on a loop of their own, and below a loop that runs."""

import asyncio
import contextvars
import functools
import signal
import sys

import anyio
import pytest
from support.libraries import UVLOOP
from support.whole import has_one, new_event_loop

import switchback
from switchback import NoPortalError, await_, run
from switchback._frameworks import _asyncio_portals

variable = contextvars.ContextVar("variable", default="outside")


@pytest.fixture(params=["asyncio", UVLOOP])
def outer(request):
    """Run a coroutine by switchback.run() on each loop; nothing is left of it afterwards."""
    factory = functools.partial(new_event_loop, request.param)
    yield lambda main: run(main, loop_factory=factory)
    assert not _asyncio_portals._hooked


async def later(value, seconds=0.0):
    await asyncio.sleep(seconds)
    return value


def test_each_task_of_the_program_has_a_portal(outer):
    async def main():
        assert await has_one()
        return await asyncio.gather(*(has_one() for _ in range(50)))

    assert all(outer(main()))


def test_below_a_running_loop_it_waits_on_that_loop(outer):
    ticks = []

    async def ticking():
        while True:
            ticks.append(asyncio.get_running_loop())
            await asyncio.sleep(0)

    def sync(value):
        return run(later(value, 0.01))

    async def main():
        loop = asyncio.get_running_loop()
        ticker = asyncio.create_task(ticking())
        task = asyncio.current_task()
        assert sync(1) == 1
        assert asyncio.current_task() is task
        assert asyncio.get_running_loop() is loop
        assert len(ticks) > 1 and set(ticks) == {loop}
        ticker.cancel()

    outer(main())


def test_fifty_calls_end_in_any_order(outer):
    ended = []

    async def one(number):
        assert run(later(number, 0.05 - number / 1000)) == number
        ended.append(number)

    async def main():
        await asyncio.gather(*map(one, range(50)))

    outer(main())
    assert ended != sorted(ended)
    assert sorted(ended) == list(range(50))


def test_calls_inside_of_one_another(outer):
    def sync(depth):
        return run(deeper(depth)) if depth else 0

    async def deeper(depth):
        await asyncio.sleep(0)
        return 1 + sync(depth - 1)

    async def main():
        return sync(20)

    assert outer(main()) == 20


def test_a_recursion_without_end_is_an_error(outer):
    async def forever():
        return run(forever())

    async def main():
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(150)
        try:
            with pytest.raises(RecursionError):
                run(forever())
        finally:
            sys.setrecursionlimit(limit)
        return run(later("goes on"))

    assert outer(main()) == "goes on"


def test_exceptions_and_cancellations_get_out(outer):
    async def fails():
        raise LookupError("mine")

    async def waits():
        try:
            run(asyncio.sleep(10))
        except asyncio.CancelledError:
            run(later("cleaned up"))
            raise

    async def main():
        with pytest.raises(LookupError, match="mine"):
            run(fails())
        task = asyncio.create_task(waits())
        await asyncio.sleep(0.01)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                run(asyncio.sleep(10))
        with anyio.move_on_after(0.01) as scope:
            run(anyio.sleep(10))
        assert scope.cancelled_caught

    outer(main())


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_the_program_arrives_at_the_call(outer, kind):
    async def ends(wait):
        if wait:
            await asyncio.sleep(0)
        raise kind("enough")

    async def main():
        for wait in (False, True):
            with pytest.raises(kind, match="enough"):
                run(ends(wait))
        return run(later("goes on"))

    assert outer(main()) == "goes on"


def test_context_variables_as_with_asyncio_run(outer):
    async def inner():
        assert variable.get() == "main"
        variable.set("inner")

    async def main():
        variable.set("main")
        run(inner())
        assert variable.get() == "main"

    outer(main())


def test_the_task_of_an_inner_run_has_its_exception(outer):
    tasks = []

    async def fails():
        tasks.append(asyncio.current_task())
        raise LookupError("mine")

    async def main():
        with pytest.raises(LookupError, match="mine"):
            run(fails())
        assert isinstance(tasks[0].exception(), LookupError)

    outer(main())


def test_what_it_leaves_running_is_cancelled(outer):
    seen = []

    async def background(name):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append(name)
            raise

    async def starts():
        tasks.append(asyncio.create_task(background("inner")))
        tasks.append(asyncio.tasks._PyTask(background("in Python")))
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(background("last")))
        return "done"

    tasks = []

    async def main():
        mine = asyncio.create_task(background("mine"))
        await asyncio.sleep(0)
        assert run(starts()) == "done"
        assert sorted(seen) == ["in Python", "inner", "last"]
        assert all(task.cancelled() for task in tasks)
        mine.cancel()

    outer(main())


def test_it_runs_whatever_can_be_awaited(outer):
    class Awaitable:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    async def main():
        assert run(Awaitable()) == "awaited"
        assert run(asyncio.ensure_future(later("future"))) == "future"

    outer(main())
    assert outer(Awaitable()) == "awaited"


@pytest.mark.parametrize("what", [3, None, later])
def test_what_is_no_coroutine_is_refused(what):
    hint = r"call it: later\(\)" if callable(what) else ""
    with pytest.raises(TypeError, match=r"switchback\.run\(\) runs a coroutine, not .*" + hint):
        run(what)

    async def main():
        with pytest.raises(TypeError, match=r"switchback\.run\(\) runs a coroutine"):
            run(what)
        return run(later("goes on"))

    assert run(main()) == "goes on"


def test_without_a_portal_the_error_says_what_to_do():
    async def main():
        with pytest.raises(NoPortalError, match=r"switchback\.enable\(\)"):
            run(later(1))
        caught = []

        def callback():
            try:
                run(later(1))
            except NoPortalError as error:
                caught.append(str(error))

        asyncio.get_running_loop().call_soon(callback)
        await asyncio.sleep(0)
        assert "a callback of the event loop" in caught[0]

    asyncio.run(main())


def test_no_await_holds_for_it(outer):
    async def main():
        with pytest.raises(RuntimeError, match="no_await"), switchback.no_await():
            run(later(1))
        return run(later("goes on"))

    assert outer(main()) == "goes on"


def test_a_runner(outer):
    async def sets():
        variable.set("set")
        return await has_one()

    async def gets():
        return variable.get()

    with switchback.Runner(loop_factory=functools.partial(new_event_loop, "asyncio")) as runner:
        assert runner.run(sets())
        assert runner.run(gets()) == "set"
        context = contextvars.Context()
        assert runner.run(gets(), context=context) == "outside"
        assert await_runs(runner)
        with pytest.raises(TypeError, match=r"Runner\.run\(\) runs a coroutine"):
            runner.run(gets)
    coroutine = gets()
    with pytest.raises(RuntimeError, match="Runner is closed"):
        runner.run(coroutine)


def await_runs(runner):
    async def main():
        return await_(asyncio.sleep(0, True))

    return runner.run(main())


def test_an_interrupt_ends_it():
    async def main():
        asyncio.get_running_loop().call_later(0.01, raise_interrupt)
        await_(asyncio.sleep(10))

    def raise_interrupt():
        signal.raise_signal(signal.SIGINT)

    # A shell may have had this process ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(main())
    finally:
        signal.signal(signal.SIGINT, before)
