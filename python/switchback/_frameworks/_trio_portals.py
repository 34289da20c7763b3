"""Trio: a portal for every task of a run, by an instrument that is told of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from .._engine import TRIO, put_task_in_portal as put_in_portal
from .._portals import bestow_portal

if TYPE_CHECKING:
    from trio.abc import Instrument
else:
    Instrument = object

T = TypeVar("T")


class _EveryTask(Instrument):
    # Only this one, as Trio calls each method that an instrument has.
    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        # Its first step is not scheduled yet.
        put_in_portal(task, "coro", TRIO, 0)


_instrument: trio.lowlevel.RunVar[_EveryTask | None] = trio.lowlevel.RunVar(
    "switchback portals", default=None
)


def enable(loop: object | None) -> None:
    if loop is not None:
        raise TypeError("switchback.enable() takes no loop in a Trio run: it is for that run")
    if _instrument.get() is None:
        instrument = _EveryTask()
        trio.lowlevel.add_instrument(instrument)
        _instrument.set(instrument)
    for task in _tasks():
        # One that has just ended.
        with suppress(RuntimeError):
            bestow_portal(task)


def disable(loop: object | None) -> None:
    if loop is not None:
        raise TypeError("switchback.disable() takes no loop in a Trio run: it is for that run")
    instrument = _instrument.get()
    if instrument is not None:
        _instrument.set(None)
        trio.lowlevel.remove_instrument(instrument)


def _tasks() -> Iterator[trio.lowlevel.Task]:
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [root]
    while waiting:
        task = waiting.pop()
        yield task
        for nursery in task.child_nurseries:
            waiting += nursery.child_tasks


def trio_run(async_fn: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
    instruments = [*options.pop("instruments", ()), _EveryTask()]
    return trio.run(async_fn, *args, instruments=instruments, **options)
