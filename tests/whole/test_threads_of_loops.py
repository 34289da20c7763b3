"""await_() in threads that an enabled loop has sent a function to."""

import asyncio
import concurrent.futures
import contextvars
import functools
import threading
import time

import anyio
import anyio.to_thread
import pytest
from support.libraries import UVLOOP
from support.whole import new_event_loop

import switchback
from switchback import NoPortalError, await_

pytestmark = pytest.mark.threads

variable = contextvars.ContextVar("variable", default="outside")


@pytest.fixture(params=["asyncio", UVLOOP])
def run(request):
    factory = functools.partial(new_event_loop, request.param)
    return lambda main: switchback.run(main, loop_factory=factory)


async def sets(value):
    assert variable.get() == "main"
    await asyncio.sleep(0.001)
    variable.set(value)
    return asyncio.get_running_loop(), value


def in_thread(value="thread"):
    found = await_(sets(value))
    return (*found, variable.get(), threading.get_ident())


def in_pool(function, *args):
    async def call():
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            loop = asyncio.get_running_loop()
            # It takes no context variables with it.
            context = contextvars.copy_context()
            return await loop.run_in_executor(pool, context.run, function, *args)

    return call()


def by_asgiref(**options):
    sync = pytest.importorskip("asgiref.sync")
    return lambda function, *args: sync.sync_to_async(function, **options)(*args)


def by_starlette(function, *args):
    concurrency = pytest.importorskip("starlette.concurrency")
    return concurrency.run_in_threadpool(function, *args)


WAYS = {
    "asyncio.to_thread": asyncio.to_thread,
    "run_in_executor": in_pool,
    "anyio.to_thread": anyio.to_thread.run_sync,
    "starlette": by_starlette,
    "asgiref": lambda function, *args: by_asgiref()(function, *args),
    "asgiref, not sensitive": lambda function, *args: by_asgiref(thread_sensitive=False)(
        function, *args
    ),
}


@pytest.fixture(params=WAYS)
def send(request):
    return WAYS[request.param]


def test_it_awaits_on_the_loop_and_blocks_only_the_thread(run, send):
    async def main():
        variable.set("main")
        loop = asyncio.get_running_loop()
        found_loop, value, seen, thread = await send(in_thread)
        assert (found_loop, value, seen) == (loop, "thread", "thread")
        assert thread != threading.get_ident()
        variable.set("main")
        results = await asyncio.gather(*(send(in_thread, number) for number in range(50)))
        assert [result[1:3] for result in results] == [(number, number) for number in range(50)]

    run(main())


def test_exceptions(run, send):
    async def fails():
        await asyncio.sleep(0)
        raise LookupError("mine")

    def catches():
        try:
            await_(fails())
        except LookupError as error:
            return str(error)

    async def main():
        assert await send(catches) == "mine"
        with pytest.raises(LookupError, match="mine"):
            await send(lambda: await_(fails()))
        assert await send(lambda: await_(asyncio.sleep(0, "goes on"))) == "goes on"

    run(main())


def test_to_cancel_the_call_cancels_the_awaitable(run):
    seen = []

    async def slow():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("awaitable")
            raise

    def waits():
        try:
            await_(slow())
        except asyncio.CancelledError:
            seen.append("thread")
            raise

    async def main():
        task = asyncio.create_task(asyncio.to_thread(waits))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with anyio.move_on_after(0.02) as scope:
            await asyncio.to_thread(waits)
        assert scope.cancelled_caught

    run(main())
    assert sorted(seen) == ["awaitable", "awaitable", "thread", "thread"]


def test_an_awaitable_that_is_cancelled_raises_in_the_thread(run, send):
    async def cancelled():
        asyncio.current_task().cancel()
        await asyncio.sleep(10)

    def catches():
        with pytest.raises((asyncio.CancelledError, concurrent.futures.CancelledError)):
            await_(cancelled())
        return "goes on"

    async def main():
        return await send(catches)

    assert run(main()) == "goes on"


def test_whatever_can_be_awaited(run):
    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_later(0.01, future.set_result, "future")
        assert await asyncio.to_thread(await_, future) == "future"

        def not_awaitable():
            with pytest.raises(TypeError):
                await_(3)

        await asyncio.to_thread(not_awaitable)

    run(main())


def test_a_loop_that_waits_for_the_thread_is_named(run):
    async def main():
        loop = asyncio.get_running_loop()
        pool = concurrent.futures.ThreadPoolExecutor(1)
        future = loop.run_in_executor(pool, lambda: await_(asyncio.sleep(0)))
        begin = time.monotonic()
        pool.shutdown(wait=True)
        assert time.monotonic() - begin < 2
        with pytest.raises(RuntimeError, match="does not turn") as caught:
            await future
        assert "main() (" in str(caught.value) and __file__ in str(caught.value)

    run(main())


def test_a_busy_loop_is_not_taken_for_one_that_waits(run):
    async def main():
        future = asyncio.create_task(asyncio.to_thread(lambda: await_(asyncio.sleep(0, "late"))))
        await asyncio.sleep(0)
        begin = time.monotonic()
        while time.monotonic() - begin < 2.2:
            sum(range(1000))
        return await future

    assert run(main()) == "late"


def test_other_threads_and_other_loops_are_told_what_to_do(run):
    def elsewhere():
        with pytest.raises(NoPortalError, match="none is running in thread"):
            await_(asyncio.sleep(0))

    async def main():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    run(main())
    asyncio.run(asyncio.to_thread(elsewhere))


def test_a_portal_in_a_thread_awaits_in_its_own_loop(run):
    async def inner():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_result, "inner")
        return await_(future)

    def by_hand():
        portal = switchback._engine.open_call_portal(await_, (Trap(),))
        assert portal.send(None) == "trap"
        with pytest.raises(StopIteration, match="answer"):
            portal.send("answer")

    class Trap:
        def __await__(self):
            return (yield "trap")

    async def main():
        found = await asyncio.to_thread(asyncio.run, switchback.with_portal_run(inner))
        assert found == "inner"
        await asyncio.to_thread(by_hand)

    run(main())


def test_pools_of_processes_are_left_alone(run):
    class Pool(concurrent.futures.Executor):
        def submit(self, function, *args):
            submitted.append(function)
            future = concurrent.futures.Future()
            future.set_result(function(*args))
            return future

    submitted = []

    async def main():
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(Pool(), abs, -1) == 1
        assert submitted == [abs]
        switchback.disable()
        assert "run_in_executor" not in vars(loop)

    run(main())
