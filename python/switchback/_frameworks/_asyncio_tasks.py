"""asyncio: the C Task, the pure-Python Task, and uvloop, which uses either."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, cast

from .. import _engine


class AsyncioFramework:
    name = "asyncio"
    loop_module = "asyncio.events"
    loop_may_have_no_frames = True  # uvloop

    def current_task(self) -> asyncio.Task[Any] | None:
        try:
            return asyncio.current_task()
        except RuntimeError:  # no running event loop
            return None

    def is_task(self, candidate: object) -> bool:
        return isinstance(candidate, _task_types)

    def check_replaceable(self, task: object) -> None:
        assert isinstance(task, _task_types)
        if task.done():
            raise RuntimeError(f"{task!r} has finished; a portal is of use to a running task only")
        loop = task.get_loop()
        if loop is asyncio._get_running_loop() or not loop.is_running():
            return
        if getattr(loop, "_thread_id", None) != threading.get_ident():
            raise RuntimeError(
                f"{task!r} belongs to an event loop that runs in another thread; call "
                "bestow_portal() there, with loop.call_soon_threadsafe(bestow_portal, task)"
            )

    def get_coroutine(self, task: object) -> Coroutine[Any, Any, Any]:
        assert isinstance(task, _task_types)
        # What typeshed says of it differs from minor to minor.
        coroutine: Coroutine[Any, Any, Any] | None = cast(Any, task.get_coro())
        assert coroutine is not None, "only a finished task has no coroutine"
        return coroutine

    def set_coroutine(self, task: object, coroutine: Coroutine[Any, Any, Any]) -> None:
        assert isinstance(task, _task_types)
        if C_TASK is not None and isinstance(task, C_TASK):
            task_slot().replace(task, task.get_coro(), coroutine)
        else:
            task._coro = coroutine

    def is_being_cancelled(self, task: object, error: BaseException) -> bool:
        # Each uncancel() takes back a request, as asyncio.timeout() does. A future that is
        # cancelled raises the same, and cancels no task.
        if not isinstance(error, asyncio.CancelledError) or not isinstance(task, _task_types):
            return False
        return bool(task.cancelling() > 0)

    def cancel_again(self, task: object, error: BaseException) -> None:
        assert isinstance(task, _task_types)
        # A task that is cancelled while it runs is cancelled with what it waits for next.
        task.cancel(*error.args[:1])
        task.uncancel()  # no further request

    def others_stand_still(self) -> AbstractContextManager[None]:
        from ._asyncio_standstill import others_stand_still

        return others_stand_still()

    def new_event(self) -> asyncio.Event:
        return asyncio.Event()

    async def checkpoint(self) -> None:
        await asyncio.sleep(0)

    def portals_for_children(self) -> AbstractContextManager[None]:
        from ._asyncio_portals import portals_for_created_tasks

        return portals_for_created_tasks()

    async def tree_checkpoint(self) -> None:
        await asyncio.sleep(0)

    def name_after(
        self, task: Any, wrapper: Callable[..., Any], function: Callable[..., Any]
    ) -> None:
        coroutine = task.get_coro()
        # A portal, which a task of an outer tree has, shows the names of what is inside.
        if (
            not _engine.is_portal(coroutine)
            and getattr(coroutine, "cr_code", None) is wrapper.__code__
        ):
            function = getattr(function, "func", function)  # of a partial
            for name in ("__name__", "__qualname__"):
                setattr(coroutine, name, getattr(function, name, type(function).__name__))

    def callback_here(self) -> str | None:
        if asyncio._get_running_loop() is None:
            return None
        # The outermost frame that the loop has not made itself.
        frame, callback = sys._getframe(1), None
        while frame is not None:
            module = str(frame.f_globals.get("__name__"))
            if module.startswith("asyncio."):
                break
            if not module.startswith("switchback."):
                callback = frame
            frame = frame.f_back  # type: ignore[assignment]  # typeshed: never None inside the loop
        if callback is None:
            return "a callback of the event loop"
        code = callback.f_code
        return f"{code.co_qualname}() ({code.co_filename}:{callback.f_lineno})"

    def runs(self, loop: object | None) -> bool:
        return loop is not None or asyncio._get_running_loop() is not None

    def enable(self, loop: object | None) -> None:
        from ._asyncio_portals import enable

        enable(asyncio.get_running_loop() if loop is None else loop)

    def disable(self, loop: object | None) -> None:
        from ._asyncio_portals import disable

        disable(asyncio.get_running_loop() if loop is None else loop)


# Not asyncio.tasks._CTask: nest_asyncio puts the Python Task there.
C_TASK: Any = getattr(sys.modules.get("_asyncio"), "Task", None)
PY_TASK: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]
_task_types: tuple[Any, ...] = (PY_TASK,) if C_TASK is None else (C_TASK, PY_TASK)


class ThrowawayLoop:
    """The least that a Task asks of a loop when it is created and dropped."""

    def get_debug(self) -> bool:
        return False

    def call_soon(self, *args: object, **kwargs: object) -> None:
        pass

    def call_exception_handler(self, context: object) -> None:
        pass


async def throwaway() -> None:
    pass


def _find_slot() -> _engine.TaskSlot:
    """Find where the C Task keeps its coroutine, and try it out, on a task that never runs."""
    assert C_TASK is not None
    coroutine, replacement = throwaway(), throwaway()
    task = C_TASK(coroutine, loop=ThrowawayLoop())
    try:
        slot = _engine.TaskSlot(task, coroutine)
        slot.replace(task, coroutine, replacement)
        if task.get_coro() is not replacement:
            raise RuntimeError("the task does not use the coroutine that was put in its place")
        slot.replace(task, replacement, coroutine)
        if task.get_coro() is not coroutine:
            raise RuntimeError("the task's own coroutine could not be put back")
    finally:
        task._log_destroy_pending = False
        coroutine.close()
        replacement.close()
    return slot


# What _find_slot() has returned or raised.
_slot: _engine.TaskSlot | RuntimeError | None = None


def task_slot() -> _engine.TaskSlot:
    """Return where the C Task keeps its coroutine, which is looked for once.

    Raises `RuntimeError` where it is not to be found.
    """
    global _slot
    if _slot is None:
        try:
            _slot = _find_slot()
        except RuntimeError as error:
            _slot = error
    if isinstance(_slot, RuntimeError):
        raise RuntimeError(
            "this build of asyncio keeps a task's coroutine where switchback cannot replace it, so "
            "a running task cannot be given a portal; use 'await with_portal_run(async_fn)' or "
            "'await with_portal_run_sync(sync_fn)', which need no such replacement"
        ) from _slot
    return _slot


framework = AsyncioFramework()
