"""What passes through a portal, and what it is made of, is held as long as needed and no longer."""

from __future__ import annotations

import asyncio
import gc
import sys
import types
import weakref

import pytest
from support.by_hand import finish, suspended, trap
from support.children import FREED_OBJECTS, check_child, run_python

import switchback
from switchback import _engine, await_, ensure_portal


class Token:
    """What can be told to be gone."""


class Awaitable:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        return (yield self.value)


async def coroutine_of(value):
    return await trap(value)


WAYS = pytest.mark.parametrize("awaitable", [coroutine_of, Awaitable, trap])


def all_gone(references):
    gc.collect()
    return all(reference() is None for reference in references)


@WAYS
def test_traps_and_answers_are_let_go_of(awaitable):
    def sync():
        for _ in range(3):
            try:
                await_(awaitable(note(Token())))
            except KeyError:
                pass

    def note(token):
        references.append(weakref.ref(token))
        return token

    references = []
    portal = _engine.open_call_portal(sync, ())
    portal.send(None)
    portal.send(note(Token()))
    error = KeyError(note(Token()))
    portal.throw(error)
    error.__traceback__ = None
    del error
    assert finish(portal) is None
    del portal
    assert all_gone(references) and len(references) == 5


@WAYS
def test_a_trap_that_is_refused_is_let_go_of(awaitable):
    references = []

    def refused():
        token = Token()
        references.append(weakref.ref(token))
        loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            await_(awaitable(token))
        except switchback.NoPortalError:
            pass
        finally:
            asyncio._set_running_loop(loop)

    async def main():
        await ensure_portal()
        for _ in range(3):
            refused()

    asyncio.run(main())
    assert all_gone(references) and len(references) == 3


def test_what_is_yielded_to_a_close_is_let_go_of():
    def refuse_once():
        try:
            await_(trap())
        except GeneratorExit:
            token = Token()
            references.append(weakref.ref(token))
            await_(trap(token))

    references = []
    portal = suspended(refuse_once)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        portal.close()
    assert finish(portal) is None
    assert all_gone(references) and references


def test_a_portal_that_was_closed_before_it_began_holds_nothing():
    token = Token()
    reference = weakref.ref(token)
    portal = _engine.open_call_portal(lambda *_, **__: None, (token,), {"key": token})
    del token
    portal.close()
    assert reference() is None
    portal.close()


def test_a_portal_that_its_task_lets_go_of_lives_until_its_step_ends():
    """asyncio's C Task borrows the coroutine that it steps."""
    code = """
import asyncio
from switchback import await_, ensure_portal
from switchback._frameworks import _asyncio_tasks

class Refused(Exception):
    pass

async def other():
    pass

async def main():
    await ensure_portal()
    await_(asyncio.sleep(0))
    task = asyncio.current_task()
    _asyncio_tasks.task_slot().replace(task, task.get_coro(), unused)
    raise Refused

if _asyncio_tasks.C_TASK is not None:
    unused = other()
    unused.close()
    try:
        asyncio.run(main())
    except Refused:
        pass
    else:
        raise AssertionError
"""
    check_child(run_python("-c", code, **FREED_OBJECTS))


def test_a_portal_that_awaits_as_it_is_dropped_comes_to_its_end(monkeypatch):
    def sync():
        try:
            await_(trap())
        finally:
            for number in range(4):
                try:
                    await_(trap())
                except GeneratorExit:
                    log.append(number)
            log.append("ended")

    log, reported = [], []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(report.exc_value))
    portal = suspended(sync)
    del portal
    assert log == [0, 1, 2, 3, "ended"]
    assert len(reported) == 4


def test_a_coroutine_that_others_hold_outlives_its_portal():
    async def native():
        await trap()
        return "returned"

    coroutine = native()
    portal = _engine.open_portal(coroutine)
    portal.send(None)
    del portal
    gc.collect()
    with pytest.raises(StopIteration, match="returned"):
        coroutine.send(None)


def test_an_exception_that_drops_a_portal_on_its_way_goes_on():
    class Dropped:
        """As a C function does that lets go of an argument as it fails."""

        def __init__(self):
            self.portal = suspended(lambda: await_(trap()))

        def __iter__(self):
            return self

        def __next__(self):
            del self.portal
            raise KeyError("of the iterator")

    with pytest.raises(KeyError, match="of the iterator"):
        list(Dropped())
    # By C code, with the exception set while the portal goes.
    holder = [suspended(lambda: await_(trap()))]
    with pytest.raises(TypeError):
        sum(map(len, [holder.pop()]))


def test_the_collector_leaves_a_suspended_portal_as_it_is():
    class Cycle:
        pass

    def sync(cycle):
        try:
            await_(trap())
        finally:
            log.append(type(cycle).__name__)

    log = []
    cycle = Cycle()
    cycle.portal = suspended(sync, cycle)
    # Others in the cycle are cleared with the portal, which has to be able to run still.
    cycle.itself = [cycle, cycle.portal]
    gc.collect()
    assert finish(cycle.portal) is None
    assert log == ["Cycle"]
    portal = cycle.portal
    del cycle
    assert sys.getrefcount(portal) < 6
    assert isinstance(sync, types.FunctionType)


def test_a_portal_in_a_cycle_with_its_target_is_traversed_and_cleared():
    async def native(holder):
        holder["token"] = Token()
        await trap()

    holder = {}
    portal = _engine.open_portal(native(holder))
    holder["portal"] = portal
    portal.send(None)
    reference = weakref.ref(holder["token"])
    del holder, portal
    gc.collect()
    assert reference() is None
