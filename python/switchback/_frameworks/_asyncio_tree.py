"""Portals for the tasks of a tree, in asyncio: a task factory sees each as it is created."""

from __future__ import annotations

import asyncio
import asyncio.base_events
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from .. import _engine
from .._portals import bestow_portal
from ._asyncio_tasks import framework


class _Tree:
    """What a task has in its context when it was created inside `portals_for_created_tasks`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outer: _Tree | None) -> None:
        self.loop: asyncio.AbstractEventLoop | None = loop  # None once the tree has ended
        self.outer = outer

    def covers(self, loop: object) -> bool:
        # A context may be copied to a thread with a loop of its own; and an inner tree may end
        # before the outer one.
        tree: _Tree | None = self
        while tree is not None:
            if tree.loop is loop:
                return True
            tree.outer = _open_one(tree.outer)
            tree = tree.outer
        return False


def _open_one(tree: _Tree | None) -> _Tree | None:
    """Return the innermost tree that has not ended, of this one and those around it."""
    while tree is not None and tree.loop is None:
        tree = tree.outer
    return tree


_tree: ContextVar[_Tree | None] = ContextVar("switchback tree", default=None)
# From 3.12 on.
_eager_code = getattr(getattr(asyncio, "eager_task_factory", None), "__code__", None)


class _Portals:
    """Creates the tasks of a loop as the factory did that it had, and gives portals to some.

    A loop has one of these at most, for as long as there are trees in it.
    """

    def __init__(self, found: Any) -> None:
        self.found = found
        self.open_trees = 0
        self.factory: Any
        if found is None:
            self.factory = self._make_factory(self._new_task)
        elif _eager_code is not None and getattr(found, "__code__", None) is _eager_code:
            # Of the same make: others, as anyio, know them by their code, and what is inside.
            constructor = found.__closure__[0].cell_contents
            self.factory = asyncio.create_eager_task_factory(  # type: ignore[attr-defined,unused-ignore]
                lambda coro, **kwargs: self._create(constructor, coro, **kwargs)
            )
        else:
            self.factory = self._make_factory(
                lambda coro, *, loop, **kwargs: found(loop, coro, **kwargs)
            )
        self.factory.switchback_portals = self

    def _make_factory(self, constructor: Callable[..., Any]) -> Callable[..., Any]:
        def factory(loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> Any:
            return self._create(constructor, coro, loop=loop, **kwargs)

        return factory

    @staticmethod
    def _new_task(coro: Any, **kwargs: Any) -> Any:
        task: Any = asyncio.Task(coro, **kwargs)
        # In debug mode, shows where the program has created it.
        created_at = task._source_traceback
        while created_at and created_at[-1].filename in (__file__, asyncio.base_events.__file__):
            del created_at[-1]
        return task

    def _create(
        self, constructor: Callable[..., Any], coro: Any, *, loop: Any, **kwargs: Any
    ) -> Any:
        tree = _tree.get()
        # In another thread than the loop's, nothing can be done to a task.
        if tree is None or loop is not asyncio._get_running_loop() or not tree.covers(loop):
            return constructor(coro, loop=loop, **kwargs)
        if kwargs.get("eager_start") and asyncio.iscoroutine(coro):
            # Its first step is taken before there is a task that could be given a portal.
            coro = _engine.open_portal(coro)
        task = constructor(coro, loop=loop, **kwargs)
        # Factories of the program may return other futures, and tasks whose coroutine is elsewhere.
        # Whoever creates one should not be told that it cannot be given a portal: it is scheduled.
        if framework.is_task(task) and not task.done():
            with suppress(RuntimeError):
                bestow_portal(task)
        return task


@contextmanager
def portals_for_created_tasks() -> Iterator[None]:
    """Give a portal to every task that is created inside this context, and to their children."""
    framework.check_supported()
    loop = asyncio.get_running_loop()
    portals = getattr(loop.get_task_factory(), "switchback_portals", None)
    if portals is None:
        portals = _Portals(loop.get_task_factory())
        loop.set_task_factory(portals.factory)
    portals.open_trees += 1
    tree = _Tree(loop, _open_one(_tree.get()))
    _tree.set(tree)
    try:
        yield
    finally:
        tree.loop = None
        # Not so where it is left in another context, as a generator can be, or before an inner one.
        if _tree.get() is tree:
            _tree.set(_open_one(tree))
        portals.open_trees -= 1
        # The program may have set another one meanwhile, which may use this one.
        if portals.open_trees == 0 and loop.get_task_factory() is portals.factory:
            loop.set_task_factory(portals.found)
