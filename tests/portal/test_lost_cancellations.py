"""A cancellation that is lost in a C function is raised again."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys

import pytest
from support.lost_cancellations import (
    LIMIT,
    LOSES,
    cancelled_after,
    cancelled_soon,
    in_ctypes,
    in_finalizer,
    in_sqlite,
    wait,
    wait_with_handlers,
)

from switchback import async_context, await_, ensure_portal, with_portal_run_sync

pytestmark = pytest.mark.usefixtures("printed")


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
        return await cancelled_after(3, target())

    assert asyncio_library.run(main) == "told"


def test_what_is_waited_for_next_is_cancelled_too(asyncio_library):
    """As by any cancellation: nothing goes on that nobody waits for."""

    async def children():
        await asyncio.gather(asyncio.sleep(LIMIT), asyncio.sleep(LIMIT))

    def sync_fn():
        in_ctypes(wait)
        await_(children())

    async def main():
        assert await cancelled_soon(sync_fn) == "cancelled"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio_library.run(main)


def test_it_is_raised_in_the_coroutine_that_has_called_the_library(asyncio_library):
    async def uses_library():
        in_ctypes(wait)
        await asyncio.sleep(LIMIT)

    async def main():
        assert await cancelled_soon(lambda: await_(uses_library())) == "cancelled"

    asyncio_library.run(main)


def test_who_tries_again_and_again_lets_the_loop_turn(asyncio_library):
    turns, tries = [], []

    def sync_fn():
        for _ in range(20):
            tries.append(True)
            try:
                return in_sqlite(lambda: await_(asyncio.sleep(0.001)))
            except sqlite3.OperationalError:
                continue

    async def ticks():
        while True:
            await asyncio.sleep(0)
            turns.append(True)

    async def main():
        ticker = asyncio.ensure_future(ticks())
        assert await cancelled_soon(sync_fn) == "cancelled"
        assert len(turns) >= len(tries)
        ticker.cancel()

    asyncio_library.run(main)


def test_a_coroutine_of_many_turns_takes_no_stack(asyncio_library):
    async def target():
        await ensure_portal()
        for _ in range(40_000):
            in_finalizer(lambda: await_(cancelled))
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                pass
        return "ended"

    async def main():
        nonlocal cancelled
        cancelled = asyncio.get_running_loop().create_future()
        cancelled.cancel()
        return await cancelled_after(3, target())

    cancelled = None
    assert asyncio_library.run(main) == "ended"


def test_one_that_came_later_and_was_handled_does_not_hide_it(asyncio_library):
    def sync_fn():
        in_ctypes(wait)
        done = asyncio.get_running_loop().create_future()
        done.cancel()
        try:
            await_(done)
        except asyncio.CancelledError:
            pass

    async def main():
        assert await cancelled_soon(sync_fn) == "cancelled"

    asyncio_library.run(main)


def test_one_that_leaves_two_calls_of_await_is_counted_once(asyncio_library):
    reached = []

    class Dropped:
        def __lt__(self, other):
            return False

        def __del__(self):
            await_(asyncio.sleep(0.001))
            reached.append("dropped")

    async def outer():
        wait()

    def key(value):
        if value == 1:
            return Dropped()
        await_(outer())

    def sync_fn():
        sorted([1, 2], key=key)

    async def main():
        assert await cancelled_soon(sync_fn) == "cancelled"
        assert reached == ["dropped"]

    asyncio_library.run(main)


def test_what_ends_a_block_may_be_lost_as_well(asyncio_library):
    def block():
        with async_context(contextlib.nullcontext()):
            in_ctypes(wait)

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await with_portal_run_sync(in_finalizer, block)

    asyncio_library.run(main)


def test_a_portal_that_is_closed_raises_nothing(monkeypatch):
    kept = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: kept.append(args.exc_value))

    def sync_fn():
        in_finalizer(wait)
        in_finalizer(wait)

    async def main():
        portal = with_portal_run_sync(sync_fn)
        portal.send(None)
        asyncio.current_task().cancel()
        portal.throw(asyncio.CancelledError())
        try:
            portal.close()
        except asyncio.CancelledError:
            kept.clear()
        assert [type(error) for error in kept] == [asyncio.CancelledError, GeneratorExit]
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


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
        return await cancelled_after(3, target())

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
