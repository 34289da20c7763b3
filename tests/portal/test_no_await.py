"""no_await(): a suspension inside raises before it happens, and names the place of the guard."""

from __future__ import annotations

import asyncio

import pytest
from support.by_hand import finish, suspended, trap
from support.libraries import without_running_loop

from switchback import _engine, await_, no_await, with_portal_run_sync


def in_portal(function):
    return finish(_engine.open_call_portal(function, ()))


async def at_once():
    return "at once"


def test_a_suspension_inside_raises_with_the_place():
    def work():
        with no_await():
            await_(trap())

    line = work.__code__.co_firstlineno + 1
    with pytest.raises(RuntimeError) as raised:
        in_portal(work)
    assert f"{__file__}:{line}, in " in str(raised.value)
    assert "work" in str(raised.value)


def test_what_does_not_suspend_is_awaited():
    def work():
        with no_await():
            return await_(at_once())

    assert in_portal(work) == "at once"


@pytest.mark.parametrize("is_coroutine", [True, False])
def test_what_was_to_be_awaited_is_closed(is_coroutine):
    ended = []

    async def waits():
        try:
            await trap()
        finally:
            ended.append(True)

    class Awaitable:
        def __await__(self):
            return waits().__await__()

    def work():
        with no_await(), pytest.raises(RuntimeError, match="would suspend"):
            await_(waits() if is_coroutine else Awaitable())
        return list(ended)

    assert in_portal(work) == [True]


def test_a_suspension_before_and_after_is_as_ever():
    def work():
        before = await_(trap())
        with no_await():
            pass
        return before, await_(trap()), await_(at_once())

    portal = suspended(work)
    portal.send("first")
    with pytest.raises(StopIteration) as stop:
        portal.send("second")
    assert stop.value.value == ("first", "second", "at once")


def test_guards_nest():
    def work():
        guard = no_await()
        with guard:
            with guard:
                pass
            with pytest.raises(RuntimeError):
                await_(trap())
        await_(trap())
        return "done"

    assert finish(suspended(work)) == "done"


def test_an_exception_ends_the_guard():
    def work():
        with pytest.raises(LookupError), no_await():
            raise LookupError
        await_(trap())
        return "done"

    assert finish(suspended(work)) == "done"


def test_a_guard_is_for_its_own_portal():
    def work():
        await_(trap())
        with no_await():
            other = suspended(lambda: await_(trap()))
            return finish(other)

    assert finish(suspended(work)) is None


def test_a_loop_inside_may_suspend_its_portals():
    def work():
        with no_await(), without_running_loop():
            return asyncio.run(with_portal_run_sync(lambda: await_(asyncio.sleep(0, "inner"))))

    async def main():
        return await with_portal_run_sync(work)

    assert asyncio.run(main()) == "inner"


def test_a_guard_outside_of_a_portal_does_nothing():
    with no_await():
        assert in_portal(lambda: await_(at_once())) == "at once"


def test_the_next_portal_on_the_same_stack_is_not_guarded():
    def leave_guarded():
        # A frame that is not left: the portal ends inside of the guard.
        guards.append(no_await())
        guards[0].__enter__()

    guards = []
    in_portal(leave_guarded)
    assert finish(suspended(lambda: await_(trap()))) is None
    assert finish(suspended(lambda: await_(trap()))) is None
    guards[0].__exit__(None, None, None)


def test_tasks_are_told(library):
    def work():
        with no_await(), pytest.raises(RuntimeError, match="would suspend"):
            await_(library.sleep(0))
        await_(library.checkpoint())
        return "done"

    async def main():
        return await with_portal_run_sync(work)

    assert library.run(main) == "done"
