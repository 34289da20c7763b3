"""Portals for whole trees of Trio tasks."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from . import _engine
from ._portals import bestow_portal, with_portal_run

if TYPE_CHECKING:
    import trio
    from trio.abc import Instrument
else:
    Instrument = object

P = ParamSpec("P")
T = TypeVar("T")


class AutoPortalInstrument(Instrument):
    """A Trio instrument that gives portals to the tasks of a tree as they are spawned.

    Passed to `trio.run` in ``instruments=[AutoPortalInstrument()]``, it gives one to every task of
    the run, system tasks included. `portals_for_children` and its relatives use it for subtrees.
    """

    def __init__(self) -> None:
        # Task -> the number of nurseries that it had open when its subtree was entered: children
        # in those are not part of the subtree, children in nurseries opened since are.
        self._subtrees: dict[trio.lowlevel.Task, int] = {}
        self._users = 0

    def before_run(self) -> None:
        # Called only for an instrument that is passed to trio.run().
        self._users = 1
        _instrument_of_run().set(self)

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        if task.parent_nursery is not None:
            parent = task.parent_nursery.parent_task
            depth = self._subtrees.get(parent)
            if depth is None or parent.child_nurseries.index(task.parent_nursery) < depth:
                return
        # Without a parent it is the initial task, seen only by an instrument of the whole run.
        bestow_portal(task)
        self._subtrees[task] = 0

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self._subtrees.pop(task, None)


_run_var: trio.lowlevel.RunVar[AutoPortalInstrument | None] | None = None


def _instrument_of_run() -> trio.lowlevel.RunVar[AutoPortalInstrument | None]:
    global _run_var
    if _run_var is None:
        from trio.lowlevel import RunVar

        _run_var = RunVar("switchback instrument", default=None)
    return _run_var


def _current_trio_task() -> trio.lowlevel.Task:
    try:
        return sys.modules["trio"].lowlevel.current_task()  # type: ignore[no-any-return]
    except (KeyError, RuntimeError):
        raise RuntimeError(
            "portals for a tree of tasks are only supported when running under Trio; elsewhere "
            "call ensure_portal() in each task, or bestow_portal(task) after creating one"
        ) from None


@contextmanager
def portals_for_children() -> Iterator[None]:
    """Give a portal to every task spawned in nurseries that are opened inside this context.

    And to their children, recursively; not to the task that enters the context. Trio only. Entering
    and leaving are not checkpoints. Raises `RuntimeError` outside of Trio.
    """
    task = _current_trio_task()
    variable = _instrument_of_run()
    instrument = variable.get()
    if instrument is None:
        from trio.lowlevel import add_instrument

        # One instrument serves every tree of the run, for as long as there is one.
        instrument = AutoPortalInstrument()
        add_instrument(instrument)
        variable.set(instrument)
    elif task in instrument._subtrees:
        yield
        return

    instrument._subtrees[task] = len(task.child_nurseries)
    instrument._users += 1
    try:
        yield
    finally:
        del instrument._subtrees[task]
        instrument._users -= 1
        if instrument._users == 0:
            from trio.lowlevel import remove_instrument

            variable.set(None)
            remove_instrument(instrument)


@asynccontextmanager
async def portals_for_tree() -> AsyncIterator[None]:
    """Give a portal to this task and to those spawned in nurseries opened inside this context.

    Trio only. Entering and leaving let other tasks run, but neither can be cancelled. Raises
    `RuntimeError` outside of Trio.
    """
    task = _current_trio_task()
    from trio.lowlevel import cancel_shielded_checkpoint

    with portals_for_children():
        # Not task.coro: inside with_portal_run() the portal is further up.
        had_portal = _engine.has_active_portal() or _engine.is_portal(task.coro)
        original: Any = task.coro
        bestow_portal(task)
        portal = task.coro
        try:
            await cancel_shielded_checkpoint()
            yield
        finally:
            if not had_portal and task.coro is portal:
                task.coro = original
            await cancel_shielded_checkpoint()


async def with_portal_run_tree(
    async_fn: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run ``await async_fn(*args, **kwargs)`` where it and its child tasks can use `await_`.

    Its child tasks are those spawned in nurseries that are opened inside of the call, recursively:
    ``trio.run(with_portal_run_tree, main)`` covers a whole program. Trio only.

    It is a checkpoint only where `async_fn` executes one. Raises what `async_fn` raises, and
    `RuntimeError` outside of Trio.
    """
    with portals_for_children():
        return await with_portal_run(async_fn, *args, **kwargs)
