"""Portals: giving a task, or the call of one function, the ability to use await_()."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar, cast

from ._engine import (
    call_in_portal,
    has_active_portal,
    is_portal,
    open_call_portal,
    open_task_portal,
)
from ._frameworks import Task, current_task, framework_of
from ._refusals import refuse_coroutine_of

P = ParamSpec("P")
T = TypeVar("T")


async def ensure_portal() -> None:
    """Ensure that the current task can use `await_` from now on.

    The portal lasts until the task ends. In a task that has a portal already, this has no effect
    beyond the checkpoint; inside `with_portal_run` that portal ends with its call.

    This is a checkpoint in every case: it yields to the event loop once, as only the task's next
    step runs inside the new portal.

    Raises `RuntimeError` outside of a task, or where this build of asyncio does not allow a task's
    coroutine to be replaced.
    """
    found = current_task()
    if found is None:
        raise RuntimeError(
            "ensure_portal() gives a portal to the running task, and no task of a known async "
            "framework is running here; under any other coroutine runner use "
            "'await with_portal_run(async_fn)'"
        )
    framework, task = found
    bestow_portal(task)
    await framework.checkpoint()


def bestow_portal(task: Task) -> None:
    """Ensure that `task` can use `await_` from its next step on.

    For another task than the running one this is the same as calling `ensure_portal` in it. The
    running task has to yield to its event loop before it can use its portal.

    Not a checkpoint. Raises `TypeError` for what is not a task, and `RuntimeError` for a task that
    has finished or that runs in another thread; the task is then as it was.
    """
    framework, index = framework_of(task)
    framework.check_replaceable(task)
    coroutine = framework.get_coroutine(task)
    if is_portal(coroutine) or has_portal(task):
        return
    framework.set_coroutine(task, open_task_portal(coroutine, task, index))


def has_portal(task: Task | None = None) -> bool:
    """Return whether `await_` can be used in `task`, or by default right here.

    For a task that is not running the answer is about its next step. Not a checkpoint.
    """
    found = current_task()
    if task is None or (found is not None and found[1] is task):
        return has_active_portal()
    framework, _ = framework_of(task)
    # Wherever a portal stands in the chain of coroutines, those above it are inside.
    link: Any = framework.get_coroutine(task)
    while link is not None:
        if is_portal(link):
            return True
        link = getattr(link, "cr_await", None) or getattr(link, "gi_yieldfrom", None)
    return False


async def with_portal_run(
    async_fn: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run ``await async_fn(*args, **kwargs)`` where `await_` can be used, and return its result.

    The portal lasts for this call only. Inside a portal, this is just the call. Works in tasks of
    any framework and under any coroutine runner.

    It is a checkpoint only where `async_fn` executes one. Raises what `async_fn` raises.
    """
    return await call_in_portal(async_fn, args, kwargs)


async def with_portal_run_sync(sync_fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``sync_fn(*args, **kwargs)`` where `await_` can be used, and return its result.

    The portal lasts for this call only. Inside a portal, this is just the call. Works in tasks of
    any framework and under any coroutine runner.

    It is a checkpoint only where `sync_fn` awaits one. Raises what `sync_fn` raises, and
    `TypeError` for an async function, which is one for `with_portal_run`.
    """
    if has_active_portal():
        result = sync_fn(*args, **kwargs)
    else:
        result = await open_call_portal(sync_fn, args, kwargs)
    if type(result) is CoroutineType:
        refuse_coroutine_of(sync_fn, cast("CoroutineType[Any, Any, Any]", result))
    return result
