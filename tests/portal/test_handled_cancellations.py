"""A cancellation that Python code handles is not raised again, and one on its way not twice."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from support.lost_cancellations import (
    LIMIT,
    cancelled_after,
    cancelled_soon,
    in_ctypes,
    wait,
)

from switchback import async_context, await_, ensure_portal, with_portal_run_sync

pytestmark = pytest.mark.usefixtures("printed")


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


def replaced_by_one_that_leaves():
    try:
        wait()
    except asyncio.CancelledError as error:
        raise ConnectionError from error


def replaced_later():
    try:
        try:
            wait()
        except asyncio.CancelledError:
            pass
        raise ValueError
    except ValueError:
        return await_(asyncio.sleep(0, "result"))


def returned():
    """As outcome.capture() does, which leaves its own frame out."""
    try:
        wait()
    except asyncio.CancelledError as error:
        return ["result", error.with_traceback(error.__traceback__.tb_next)]


def without_its_traceback():
    try:
        wait()
    except asyncio.CancelledError as error:
        error.__traceback__ = None
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
    [
        caught,
        caught_again_and_again,
        caught_by_the_caller_of_a_callback,
        replaced,
        replaced_later,
        returned,
        without_its_traceback,
        kept,
    ],
)
def test_one_that_is_handled_is_not_raised_again(sync_fn, asyncio_library):
    async def main():
        found = await cancelled_soon(sync_fn)
        return found[0] if isinstance(found, list) else found

    assert asyncio_library.run(main) == "result"


def test_an_exception_that_python_makes_of_it_leaves_the_portal(asyncio_library):
    async def main():
        with pytest.raises(ConnectionError) as raised:
            await cancelled_soon(replaced_by_one_that_leaves)
        assert isinstance(raised.value.__cause__, asyncio.CancelledError)
        # No cycle: those who walk along the contexts come to an end.
        assert raised.value.__context__.__context__ is None

    asyncio_library.run(main)


def test_a_coroutine_that_handles_it_at_each_turn_is_told_once(asyncio_library):
    async def target():
        await ensure_portal()
        told = []
        for turn in range(4):
            try:
                await_(asyncio.sleep(0.001))
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                told.append(turn)
        return told

    async def main():
        for turns in (3, 4, 5, 6):
            assert len(await cancelled_after(turns, target())) == 1

    asyncio_library.run(main)


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
        in_ctypes(wait)
        asyncio.current_task().uncancel()
        with async_context(contextlib.nullcontext()):
            pass
        return await_(asyncio.sleep(0, "result"))

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


def test_what_a_clean_up_was_for_goes_on():
    """Its own cancellation, of a task that it waits for, has been handled there."""

    def cleans_up():
        try:
            try:
                wait()
            except asyncio.CancelledError:
                raise KeyError("goes on") from None
        finally:
            task = asyncio.get_running_loop().create_task(asyncio.sleep(LIMIT))
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await_(task)

    async def main():
        task = asyncio.create_task(with_portal_run_sync(cleans_up))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(KeyError, match="goes on"):
        asyncio.run(main())


@pytest.mark.parametrize("in_await", [True, False])
def test_what_is_raised_while_a_cancellation_is_handled_is_raised(in_await):
    async def job():
        await ensure_portal()
        try:
            wait()
        except asyncio.CancelledError:
            limited = asyncio.wait_for(asyncio.sleep(LIMIT), 0.01)
            if in_await:
                await limited
            else:
                await_(limited)

    async def handles():
        try:
            await job()
        except TimeoutError:
            return "gave up"

    async def main():
        task = asyncio.create_task(handles())
        await asyncio.sleep(0.01)
        task.cancel()
        return await task

    assert asyncio.run(main()) == "gave up"


def test_a_second_cancellation_that_the_caller_handles_ends_there():
    async def job():
        await ensure_portal()
        try:
            wait()
        finally:
            await asyncio.sleep(LIMIT)

    async def handles():
        try:
            await job()
        except asyncio.CancelledError:
            return "handled"

    async def main():
        task = asyncio.create_task(handles())
        for _ in range(2):
            await asyncio.sleep(0.01)
            task.cancel()
        return await task

    assert asyncio.run(main()) == "handled"
