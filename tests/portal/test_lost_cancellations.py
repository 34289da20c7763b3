"""A cancellation that is lost in a C function is raised again; one that Python handles is not."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sqlite3
import sys

import pytest

from switchback import async_context, await_, ensure_portal, with_portal_run_sync

CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
LIMIT = 20  # seconds: what takes as long has lost its cancellation


@pytest.fixture(autouse=True)
def printed(monkeypatch):
    """What would be printed by those who lose exceptions."""
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_type.__name__))
    return seen


def in_ctypes(function):
    """Call a function twice, by C code that knows no exceptions."""

    @CALLBACK
    def compare(first, second):
        function()
        return 0

    array = (ctypes.c_int * 2)(1, 2)
    ctypes.CDLL(None).qsort(array, 2, 4, compare)


def in_sqlite(function):
    connection = sqlite3.connect(":memory:")
    connection.create_function("wait", 0, function)
    try:
        connection.execute("select wait()").fetchall()
    finally:
        connection.close()


def in_finalizer(function):
    class Dropped:
        def __del__(self):
            function()

    Dropped()


def in_collection(function):
    class Dropped:
        def __init__(self):
            self.cycle = self

        def __del__(self):
            function()

    Dropped()
    gc.collect()


LOSES = [in_ctypes, in_finalizer, in_collection]


def wait():
    await_(asyncio.sleep(LIMIT))


def wait_with_handlers():
    """The exception passes all that may stand in its way."""
    try:
        try:
            with open("/dev/null"):
                await_(asyncio.sleep(LIMIT))
        except ValueError:
            pass
        finally:
            await_(asyncio.sleep(0))
    except BaseException:
        raise


async def cancelled_soon(sync_fn, *args):
    """Run in a portal of a task that is cancelled, and return what comes of it."""
    task = asyncio.ensure_future(with_portal_run_sync(sync_fn, *args))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return "cancelled"


@pytest.mark.parametrize("wait", [wait, wait_with_handlers])
@pytest.mark.parametrize("loses", LOSES)
def test_a_timeout_comes_at_the_end_of_the_portal(loses, wait, asyncio_library):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await with_portal_run_sync(loses, wait)
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0)

    asyncio_library.run(main)


@pytest.mark.parametrize("loses", LOSES)
def test_it_is_raised_at_the_next_suspension(loses, asyncio_library):
    reached = []

    async def ready():
        return "ready"

    def sync_fn():
        loses(wait)
        reached.append(await_(ready()))
        try:
            await_(asyncio.sleep(LIMIT))
        finally:
            # Once: as for any task that has been cancelled.
            await_(asyncio.sleep(0.001))
            reached.append("finally")

    async def main():
        assert await cancelled_soon(sync_fn) == "cancelled"
        assert reached == ["ready", "finally"]

    asyncio_library.run(main)


def test_one_that_is_lost_is_raised_in_a_later_step(asyncio_library, monkeypatch):
    """Who prints it keeps it for a while."""
    kept = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: kept.append(args.exc_value))

    async def target():
        await ensure_portal()
        in_finalizer(wait)
        # Another portal takes the stack of this step, so that the next one has another.
        other = asyncio.ensure_future(with_portal_run_sync(await_, asyncio.sleep(0.01)))
        await asyncio.sleep(0)
        kept.clear()
        try:
            await_(asyncio.sleep(LIMIT))
        except asyncio.CancelledError:
            await other
            return "told"

    async def main():
        task = asyncio.ensure_future(target())
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio_library.run(main) == "told"


def test_what_replaces_it_becomes_its_context(asyncio_library):
    async def main():
        with pytest.raises(TimeoutError) as raised:
            async with asyncio.timeout(0.01):
                await with_portal_run_sync(in_sqlite, wait)
        assert isinstance(raised.value.__cause__.__context__, sqlite3.OperationalError)

    asyncio_library.run(main)


def test_a_timeout_inside_of_the_portal_ends_its_block(asyncio_library):
    def sync_fn():
        with pytest.raises(TimeoutError), async_context(asyncio.timeout(0.01)):
            in_ctypes(wait)
        return await_(asyncio.sleep(0, "goes on"))

    async def main():
        return await with_portal_run_sync(sync_fn)

    assert asyncio_library.run(main) == "goes on"


def test_a_coroutine_that_awaits_natively_is_told(asyncio_library):
    async def target():
        await ensure_portal()
        in_ctypes(wait)
        try:
            await asyncio.sleep(LIMIT)
        except asyncio.CancelledError:
            return "told"

    async def main():
        task = asyncio.ensure_future(target())
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio_library.run(main) == "told"


def test_fifty_tasks_each_have_their_own(asyncio_library):
    async def one(number):
        if number % 2:
            return await with_portal_run_sync(in_ctypes, lambda: await_(asyncio.sleep(0.01)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001 * (number % 5)):
                await with_portal_run_sync(in_ctypes, wait)

    async def main():
        await asyncio.gather(*map(one, range(50)))

    asyncio_library.run(main)


# What Python handles is its own affair.


def caught():
    try:
        wait()
    except asyncio.CancelledError:
        pass
    return await_(asyncio.sleep(0, "result"))


def caught_again_and_again():
    for _ in range(3):
        try:
            await_(asyncio.sleep(0.01))
        except asyncio.CancelledError:
            continue
    return "result"


def caught_by_the_caller_of_a_callback():
    def key(value):
        await_(asyncio.sleep(LIMIT if value == 2 else 0))

    try:
        sorted([1, 2, 3], key=key)
    except asyncio.CancelledError:
        pass
    return await_(asyncio.sleep(0, "result"))


def replaced():
    try:
        try:
            wait()
        except asyncio.CancelledError:
            raise KeyError from None
    except KeyError:
        return await_(asyncio.sleep(0, "result"))


def kept():
    errors = []
    try:
        wait()
    except asyncio.CancelledError as error:
        errors.append(error)
    return await_(asyncio.sleep(0, "result"))


@pytest.mark.parametrize(
    "sync_fn",
    [caught, caught_again_and_again, caught_by_the_caller_of_a_callback, replaced, kept],
)
def test_one_that_is_handled_is_not_raised_again(sync_fn, asyncio_library):
    async def main():
        return await cancelled_soon(sync_fn)

    assert asyncio_library.run(main) == "result"


def test_one_on_its_way_does_not_disturb_what_is_dropped_meanwhile(asyncio_library):
    """The finalizer awaits while the exception is kept in C, to be raised when that has ended."""
    reached = []

    class Dropped:
        def __lt__(self, other):
            return False

        def __del__(self):
            await_(asyncio.sleep(0.001))
            await_(asyncio.sleep(0.001))
            reached.append("dropped")

    def key(value):
        if value == 1:
            return Dropped()
        wait()

    def sync_fn():
        sorted([1, 2], key=key)

    async def main():
        assert await cancelled_soon(sync_fn) == "cancelled"
        assert reached == ["dropped"]

    asyncio_library.run(main)


def test_a_request_that_was_taken_back_is_not_raised_again(asyncio_library):
    def sync_fn():
        in_ctypes(wait_once)
        return await_(asyncio.sleep(0, "result"))

    def wait_once():
        if not waited:
            waited.append(True)
            try:
                wait()
            finally:
                asyncio.current_task().uncancel()

    waited = []

    async def main():
        return await cancelled_soon(sync_fn)

    assert asyncio_library.run(main) == "result"


def test_a_future_that_is_cancelled_does_not_cancel_the_task(asyncio_library):
    async def main():
        future = asyncio.get_running_loop().create_future()

        def wait_for_future():
            await_(asyncio.wait_for(future, LIMIT) if not future.done() else asyncio.sleep(0))

        asyncio.get_running_loop().call_later(0.001, future.cancel)
        await with_portal_run_sync(in_ctypes, wait_for_future)
        return "result"

    assert asyncio_library.run(main) == "result"


# By the rules of the other libraries.


@pytest.mark.parametrize("loses", LOSES)
def test_a_scope_of_trio_is_told(loses, printed):
    trio = pytest.importorskip("trio")

    async def main():
        with trio.move_on_after(0.01) as scope:
            await with_portal_run_sync(loses, lambda: await_(trio.sleep(LIMIT)))
        assert scope.cancelled_caught and "Cancelled" in printed
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.01):
            await with_portal_run_sync(loses, lambda: await_(trio.sleep(LIMIT)))
        await trio.sleep(0)

    trio.run(main)


def test_a_scope_of_trio_that_has_ended_is_not(printed):
    trio = pytest.importorskip("trio")

    def sync_fn():
        with trio.move_on_after(0.01):
            in_ctypes(lambda: await_(trio.sleep(LIMIT)))
        return await_(trio.sleep(0))

    trio.run(with_portal_run_sync, sync_fn)
    assert "Cancelled" in printed


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_scope_of_anyio_is_told(backend):
    anyio = pytest.importorskip("anyio")
    pytest.importorskip(backend)

    async def main():
        with pytest.raises(TimeoutError), anyio.fail_after(0.01):
            await with_portal_run_sync(in_ctypes, lambda: await_(anyio.sleep(LIMIT)))
        await anyio.sleep(0)

    anyio.run(main, backend=backend)
