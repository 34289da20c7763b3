"""Portals for the tasks of a tree, in Trio: an instrument sees each as it is spawned."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .._engine import TRIO, mark_of, put_task_in_portal

if TYPE_CHECKING:
    import trio
    from trio.abc import Instrument
else:
    Instrument = object


class AutoPortalInstrument(Instrument):
    """A Trio instrument that gives portals to the tasks of a tree as they are spawned.

    Passed to `trio.run` in ``instruments=[AutoPortalInstrument()]``, it gives one to every task of
    the run, system tasks included. `portals_for_children` and its relatives use it for subtrees.
    """

    def __init__(self) -> None:
        # Task -> the number of nurseries that it had open when its subtree was entered: children
        # in those are not part of the subtree, children in nurseries opened since are.
        self._subtrees: dict[trio.lowlevel.Task, int] = {}
        # What the portals of all other tasks of the subtrees have.
        self._mark = next(_marks)
        self._users = 0

    def before_run(self) -> None:
        # Called only for an instrument that is passed to trio.run().
        self._users = 1
        _instrument_of_run().set(self)

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        nursery = task.parent_nursery
        if nursery is not None:
            parent = nursery.parent_task
            if mark_of(parent.coro) != self._mark:
                depth = self._subtrees.get(parent)
                if depth is None or parent.child_nurseries.index(nursery) < depth:
                    return
        # Without a parent it is the initial task, seen only by an instrument of the whole run.
        # Its first step is not scheduled yet.
        put_task_in_portal(task, "coro", TRIO, self._mark)

    def _covers(self, task: trio.lowlevel.Task) -> bool:
        return mark_of(task.coro) == self._mark or task in self._subtrees


# From one on: most portals have none. They are compared within a run only.
_marks = itertools.cycle(range(1, 2**31))
_run_var: trio.lowlevel.RunVar[AutoPortalInstrument | None] | None = None


def _instrument_of_run() -> trio.lowlevel.RunVar[AutoPortalInstrument | None]:
    global _run_var
    if _run_var is None:
        from trio.lowlevel import RunVar

        _run_var = RunVar("switchback instrument", default=None)
    return _run_var


@contextmanager
def portals_for_nurseries() -> Iterator[None]:
    """Give a portal to every task spawned in nurseries that are opened inside this context."""
    from trio.lowlevel import current_task

    task = current_task()
    variable = _instrument_of_run()
    instrument = variable.get()
    if instrument is None:
        from trio.lowlevel import add_instrument

        # One instrument serves every tree of the run, for as long as there is one.
        instrument = AutoPortalInstrument()
        add_instrument(instrument)
        variable.set(instrument)
    elif instrument._covers(task):
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
