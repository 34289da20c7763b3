"""The frameworks whose tasks can have portals, and the way to add one."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from .. import _engine

if TYPE_CHECKING:
    from ._abilities import (
        BuiltIn,
        FrameworkWithCallbacks,
        FrameworkWithCancellation,
        FrameworkWithEvents,
        FrameworkWithPrograms,
        FrameworkWithTrees,
    )

__all__ = [
    "Framework",
    "Task",
    "built_in",
    "current_task",
    "framework_of",
    "has_callbacks",
    "has_cancellation",
    "has_events",
    "has_programs",
    "has_trees",
    "may_be_cancellation",
    "refuse_certain_waits",
    "register_framework",
    "watch_imports",
]

_CANCELLATIONS = ("CancelledError", "Cancelled")

#: A task of any framework.
Task = object


class Framework(Protocol):
    """What has to be known of an async framework to give its tasks portals.

    `await_`, `with_portal_run` and `with_portal_run_sync` work under any coroutine runner without
    this. What deals with tasks (`ensure_portal`, `bestow_portal`, `has_portal` of another task)
    needs it, and so does the check that a loop run inside a portal's code keeps its traps to
    itself.
    """

    #: The name that users know it by.
    name: str

    def current_task(self) -> Task | None:
        """Return the running task of this thread, or `None`. Must not raise."""

    def is_task(self, candidate: object) -> bool:
        """Return whether an object is a task of this framework."""

    def check_replaceable(self, task: Task) -> None:
        """Raise `RuntimeError` if the task has finished, or runs in another thread."""

    def get_coroutine(self, task: Task) -> Coroutine[Any, Any, Any]:
        """Return the coroutine that the framework steps to run the task."""

    def set_coroutine(self, task: Task, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Have the framework step `coroutine` from the task's next step on."""

    async def checkpoint(self) -> None:
        """Yield to the event loop once."""


def has_trees(framework: Framework) -> TypeGuard[FrameworkWithTrees]:
    return hasattr(framework, "portals_for_children") and hasattr(framework, "tree_checkpoint")


def has_events(framework: Framework) -> TypeGuard[FrameworkWithEvents]:
    return hasattr(framework, "new_event")


def has_callbacks(framework: Framework) -> TypeGuard[FrameworkWithCallbacks]:
    return hasattr(framework, "callback_here")


def has_programs(framework: Framework) -> TypeGuard[FrameworkWithPrograms]:
    return hasattr(framework, "enable") and hasattr(framework, "runs")


def has_cancellation(framework: Framework) -> TypeGuard[FrameworkWithCancellation]:
    return hasattr(framework, "is_being_cancelled") and hasattr(framework, "cancel_again")


def may_be_cancellation(error: BaseException) -> bool:
    """Return whether it is one by its name: a quick look, which imports nothing."""
    return any(kind.__name__ in _CANCELLATIONS for kind in type(error).__mro__)


def built_in() -> tuple[BuiltIn, ...]:
    """Return what is known of the frameworks that need not be registered."""
    # Not with the package, whose import is to be quick.
    from . import _asyncio, _trio

    return _asyncio, _trio


# Those of them that the program has not imported yet; None until there is a look for them.
_not_imported: tuple[BuiltIn, ...] | None = None
# Framework -> its index in the engine.
_frameworks: dict[Framework, int] = {}


def watch_imports() -> None:
    """Have what switches stacks by itself taken over, as soon as the program imports it."""
    from . import _greenlet

    _greenlet.watch_imports()


def refuse_certain_waits(are_refused: bool) -> None:
    """Have waits raise that block a loop until it does what it cannot, or put all back."""
    from . import _asyncio_waits

    if are_refused:
        _asyncio_waits.refuse()
    else:
        _asyncio_waits.allow()


def register_framework(framework: Framework) -> None:
    """Add a framework, so that its tasks can have portals.

    The registration lasts until the process ends. Registering the same object twice does nothing.
    """
    if framework not in _frameworks:
        _frameworks[framework] = _engine.add_framework(framework.current_task)


def _loaded() -> dict[Framework, int]:
    global _not_imported
    if _not_imported is None:
        _not_imported = built_in()
    for known in _not_imported:
        framework = known.find_framework()
        if framework is not None:
            _frameworks.setdefault(framework, known.INDEX)
            _not_imported = tuple(other for other in _not_imported if other is not known)
    return _frameworks


def current_task() -> tuple[Framework, Task] | None:
    """Return the innermost running task of this thread with its framework, or `None`."""
    current = [
        (framework, task)
        for framework in tuple(_loaded())  # another thread may add one meanwhile
        if (task := framework.current_task()) is not None
    ]
    if len(current) <= 1:
        return current[0] if current else None
    return _innermost(current)


def _innermost(current: list[tuple[Framework, Task]]) -> tuple[Framework, Task]:
    # One framework's loop runs inside a task of another. Inside a portal's step, it is the one
    # whose task has changed since the step began.
    changed = _engine.changed_frameworks()
    inner = [found for found in current if _frameworks[found[0]] in changed]
    if len(inner) == 1:
        return inner[0]
    # Each loop leaves frames of its own on the stack; the nearest one tells.
    loops = [(getattr(found[0], "loop_module", None), found) for found in current]
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        for loop_module, found in loops:
            if loop_module is not None and module == loop_module:
                return found
        frame = frame.f_back  # type: ignore[assignment]  # typeshed: never None inside the loop
    return next(
        (found for found in current if getattr(found[0], "loop_may_have_no_frames", False)),
        current[-1],
    )


def framework_of(task: Task) -> tuple[Framework, int]:
    """Return the framework that a task belongs to, and its index in the engine."""
    loaded = _loaded()
    for framework, index in tuple(loaded.items()):
        if framework.is_task(task):
            return framework, index
    known = ", ".join(framework.name for framework in loaded) or "none is imported"
    raise TypeError(
        f"expected a task, not {type(task).__name__!r}: portals are for tasks of the async "
        f"frameworks in use ({known}), or of one added with register_framework()"
    )
