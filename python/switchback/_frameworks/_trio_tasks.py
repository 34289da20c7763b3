"""Trio, guest mode included."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any

from trio import Cancelled, Event, current_effective_deadline, lowlevel

from ._trio_tree import portals_for_nurseries


class TrioFramework:
    name = "trio"
    loop_module = "trio._core._run"

    def current_task(self) -> lowlevel.Task | None:
        try:
            return lowlevel.current_task()
        except RuntimeError:  # not in a Trio run
            return None

    def is_task(self, candidate: object) -> bool:
        return isinstance(candidate, lowlevel.Task)

    def check_replaceable(self, task: object) -> None:
        assert isinstance(task, lowlevel.Task)
        if task.coro.cr_frame is None:
            raise RuntimeError(f"{task!r} has finished; a portal is of use to a running task only")
        # There is no root yet when instruments are told of the root task itself.
        root = lowlevel.current_root_task() if lowlevel.in_trio_run() else None
        if not lowlevel.in_trio_run() or (root is not None and _root(task) is not root):
            raise RuntimeError(
                f"{task!r} belongs to another Trio run; call bestow_portal() in that run's thread, "
                "with trio.from_thread.run_sync(bestow_portal, task, trio_token=...)"
            )

    def get_coroutine(self, task: object) -> Coroutine[Any, Any, Any]:
        assert isinstance(task, lowlevel.Task)
        return task.coro

    def set_coroutine(self, task: object, coroutine: Coroutine[Any, Any, Any]) -> None:
        assert isinstance(task, lowlevel.Task)
        previous = task.coro
        task.coro = coroutine  # type: ignore[assignment]  # Trio asks for a native coroutine
        # A task that is already scheduled holds the bound method that its next step will call:
        # its coroutine's send() or throw(). See class Task in Trio's _core/_run.py.
        scheduled: Any = getattr(task, "_next_send_fn", None)
        if getattr(scheduled, "__self__", None) is previous:
            task._next_send_fn = getattr(coroutine, scheduled.__name__)

    def is_being_cancelled(self, task: object, error: BaseException) -> bool:
        # Whether it is in a scope that is cancelled.
        return isinstance(error, Cancelled) and current_effective_deadline() == -math.inf

    def cancel_again(self, task: object, error: BaseException) -> None:
        pass  # each checkpoint in such a scope raises it

    def new_event(self) -> Event:
        return Event()

    async def checkpoint(self) -> None:
        await lowlevel.checkpoint()

    def runs(self, loop: object | None) -> bool:
        return loop is None and lowlevel.in_trio_run()

    def enable(self, loop: object | None) -> None:
        from ._trio_portals import enable

        enable(loop)

    def disable(self, loop: object | None) -> None:
        from ._trio_portals import disable

        disable(loop)

    def portals_for_children(self) -> AbstractContextManager[None]:
        return portals_for_nurseries()

    async def tree_checkpoint(self) -> None:
        await lowlevel.cancel_shielded_checkpoint()

    def name_after(
        self, task: lowlevel.Task, wrapper: Callable[..., Any], function: Callable[..., Any]
    ) -> None:
        if task.name == f"{wrapper.__module__}.{wrapper.__qualname__}":
            function = getattr(function, "func", function)  # of a partial
            name = getattr(function, "__qualname__", None) or type(function).__qualname__
            task.name = f"{function.__module__}.{name}"


def _root(task: lowlevel.Task) -> lowlevel.Task:
    while task.parent_nursery is not None:
        task = task.parent_nursery.parent_task
    return task


framework = TrioFramework()
