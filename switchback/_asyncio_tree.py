"""Portals for the tasks of a tree, in asyncio: a task factory sees each as it is created."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from . import _engine
from ._frameworks._asyncio import framework
from ._portals import bestow_portal


class _Tree:
    """What a task has in its context when it was created inside `portals_for_created_tasks`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outer: _Tree | None) -> None:
        self._loop = loop
        self._outer = outer
        self.is_open = True

    def covers(self, loop: asyncio.AbstractEventLoop) -> bool:
        # A context may be copied to a thread with a loop of its own; and an inner tree may end
        # before the outer one.
        tree: _Tree | None = self
        while tree is not None:
            if tree.is_open and tree._loop is loop:
                return True
            tree = tree._outer
        return False


_tree: ContextVar[_Tree | None] = ContextVar("switchback tree", default=None)
_eager_factory: Any = getattr(asyncio, "eager_task_factory", None)  # from 3.12 on


class _PortalFactory:
    """A task factory that creates tasks as the loop did before, and gives portals to some."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.open_trees = 0

    def __call__(self, loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> Any:
        tree = _tree.get()
        if tree is None or not tree.covers(loop):
            return self._create(loop, coro, kwargs)
        if self._is_eager(kwargs) and asyncio.iscoroutine(coro):
            # Its first step is taken before there is a task that could be given a portal.
            coro = _engine.open_portal(coro)
        task = self._create(loop, coro, kwargs)
        # Other factories may return futures of their own.
        if framework.is_task(task) and not task.done():
            bestow_portal(task)
        return task

    def _create(self, loop: asyncio.AbstractEventLoop, coro: Any, kwargs: dict[str, Any]) -> Any:
        if self.inner is None:
            return asyncio.Task(coro, loop=loop, **kwargs)
        return self.inner(loop, coro, **kwargs)

    def _is_eager(self, kwargs: dict[str, Any]) -> bool:
        if kwargs.get("eager_start") is not None:
            return bool(kwargs["eager_start"])
        # All that asyncio.create_eager_task_factory() makes have the same code.
        code = getattr(self.inner, "__code__", None)
        return _eager_factory is not None and code is _eager_factory.__code__


@contextmanager
def portals_for_created_tasks() -> Iterator[None]:
    """Give a portal to every task that is created inside this context, and to their children."""
    framework.check_supported()
    loop = asyncio.get_running_loop()
    # One factory serves every tree of the loop, for as long as there is one.
    found = loop.get_task_factory()
    if isinstance(found, _PortalFactory):
        factory = found
    else:
        factory = _PortalFactory(found)
        loop.set_task_factory(factory)
    factory.open_trees += 1
    tree = _Tree(loop, _tree.get())
    token = _tree.set(tree)
    try:
        yield
    finally:
        tree.is_open = False
        with suppress(ValueError):  # left in another context, as a generator can be
            _tree.reset(token)
        factory.open_trees -= 1
        # The program may have set another one meanwhile, which may use this one.
        if factory.open_trees == 0 and loop.get_task_factory() is factory:
            loop.set_task_factory(factory.inner)
