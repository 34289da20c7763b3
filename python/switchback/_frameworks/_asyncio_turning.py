"""asyncio: waiting without a portal, by having the standard library's loop turn below its own turn.

It is for what is no task, such as callbacks, and for tasks that have no portal yet. Those that wait
so end in the reverse order, as each has the others below it on the stack.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import asyncio.tasks
import sys
from collections.abc import Awaitable
from typing import Any

from .. import _engine

_turn_code = asyncio.base_events.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]
# What the outer turn has in these is how many handles it still expects to find.
_can_tell = {"ntodo", "i"} <= set(_turn_code.co_varnames)


def can_turn(loop: object) -> bool:
    """Return whether a loop turns as that of the standard library does."""
    turn = getattr(type(loop), "_run_once", None)
    return _can_tell and getattr(turn, "__code__", None) is _turn_code


def turn_until(loop: Any, awaitable: Awaitable[Any]) -> Any:
    """Have the running loop turn until `awaitable` is done, and return its result."""
    future = asyncio.ensure_future(awaitable, loop=loop)
    outer = asyncio.current_task(loop)
    requests = 0 if outer is None else outer.cancelling()
    left = _leave_tasks(loop)
    try:
        while not future.done():
            loop._run_once()
            if loop._stopping:
                break
            if outer is not None and outer.cancelling() > requests:
                requests = outer.cancelling()
                future.cancel()
    finally:
        for enter, task in left:
            enter(loop, task)
        _top_up(loop)
    if not future.done():
        raise RuntimeError("the event loop was stopped before what it waited for was done")
    return future.result()


def _leave_tasks(loop: Any) -> list[tuple[Any, Any]]:
    """Have no task current, and return what makes each current again."""
    tasks: Any = asyncio.tasks
    kinds = [(tasks.current_task, tasks._leave_task, tasks._enter_task)]
    if sys.version_info >= (3, 14):
        # There those that are written in Python are kept apart.
        kinds.append((tasks._py_current_task, tasks._py_leave_task, tasks._py_enter_task))
    left = []
    for current, leave, enter in kinds:
        task = current(loop)
        if task is not None:
            leave(loop, task)
            left.append((enter, task))
    return left


def _top_up(loop: Any) -> None:
    """Have as many handles as the turn around us expects: it has counted them beforehand."""
    frame = sys._getframe()
    while frame is not None and frame.f_code is not _turn_code:
        frame = frame.f_back  # type: ignore[assignment]  # typeshed: never None inside the loop
    if frame is None:
        return
    found = frame.f_locals
    expected = found["ntodo"] - found["i"] - 1
    while len(loop._ready) < expected:
        handle = asyncio.Handle(_nothing, (), loop)
        handle.cancel()
        loop._ready.append(handle)


def _nothing() -> None:
    pass


def turning(loop: Any, what: str, awaitable: Awaitable[Any]) -> Any:
    """Wait without a portal, or raise `NoPortalError` where the loop cannot be turned."""
    if can_turn(loop):
        return turn_until(loop, awaitable)
    from ._asyncio_run import refuse

    asyncio.ensure_future(awaitable, loop=loop).cancel()
    assert not _engine.has_active_portal()
    refuse(what, f"; a {type(loop).__module__}.{type(loop).__qualname__} cannot turn inside itself")
