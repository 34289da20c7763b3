"""Whole programs: a portal for every task of an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._frameworks import built_in, current_task, has_programs

if TYPE_CHECKING:
    from ._frameworks._abilities import FrameworkWithPrograms


def enable(loop: object | None = None) -> None:
    """Give a portal to every task of an event loop: to those that there are, and to all to come.

    `loop` is one of asyncio's or uvloop's, which may run or not. By default it is the running one,
    or the Trio run that this is called in. Tasks have their portal from their first step on,
    however they are created: by ``create_task``, by hand, by a task factory that was there before
    or is set later, eagerly. A task that has begun already has it from its next step on, and so has
    the one that calls this: it has to yield to the event loop before it can use `await_`.

    Enabling a loop twice does nothing. Not a checkpoint. Raises `RuntimeError` where no loop is
    running, for a closed loop, and for one that runs in another thread; `TypeError` for what is no
    loop.
    """
    _framework_of_loop(loop, "enable").enable(loop)


def disable(loop: object | None = None) -> None:
    """Give no more portals to the tasks that an event loop creates from now on.

    Those that have one keep it. Once no loop is enabled, asyncio is as it was. Does nothing for a
    loop that is not enabled. Not a checkpoint.
    """
    _framework_of_loop(loop, "disable").disable(loop)


def _framework_of_loop(loop: object | None, what: str) -> FrameworkWithPrograms:
    found = current_task() if loop is None else None
    if found is not None:
        framework = found[0]
        if has_programs(framework):
            return framework
        raise RuntimeError(
            f"switchback.{what}() is not for {framework.name!r}: use ensure_portal() in each task, "
            "or bestow_portal(task) after creating one"
        )
    for known in built_in():
        loaded = known.find_framework()
        if loaded is not None and has_programs(loaded) and loaded.runs(loop):
            return loaded
    raise RuntimeError(
        f"switchback.{what}() is for the running event loop, and none is running in this thread: "
        f"pass one, switchback.{what}(loop), or call it inside of the loop"
    )
