"""asyncio: task factories that give portals, where the engine cannot see how tasks are made.

They miss tasks that are made by hand, and factories that are set later.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
from collections.abc import Callable
from typing import Any

from .. import _engine
from ._asyncio_tasks import PY_TASK

# From 3.12 on.
_eager_code = getattr(getattr(asyncio, "eager_task_factory", None), "__code__", None)


class _Portals:
    """Creates the tasks of a loop as the factory did that it had, and gives portals to some.

    A loop has one of these at most, for as long as it is enabled or there are trees in it.
    """

    def __init__(self, found: Any) -> None:
        self.found = found
        self.users = 0
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
        from ._asyncio_portals import note_in_scope

        task = constructor(_engine.in_portal_if_wanted(coro, loop, None), loop=loop, **kwargs)
        if not isinstance(task, PY_TASK):  # which tells by itself
            note_in_scope(task, coro)
        return task


def install(loop: asyncio.AbstractEventLoop) -> _Portals:
    """Have the loop create tasks with portals; one more user of its factory."""
    portals: _Portals | None = getattr(loop.get_task_factory(), "switchback_portals", None)
    if portals is None:
        portals = _Portals(loop.get_task_factory())
        loop.set_task_factory(portals.factory)
    portals.users += 1
    return portals


def remove(loop: asyncio.AbstractEventLoop) -> None:
    portals: _Portals | None = getattr(loop.get_task_factory(), "switchback_portals", None)
    if portals is not None:
        _leave(loop, portals)


def install_for_tree(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Have the loop create tasks with portals; return what ends that."""
    portals = install(loop)
    return lambda: _leave(loop, portals)


def _leave(loop: asyncio.AbstractEventLoop, portals: _Portals) -> None:
    portals.users -= 1
    # The program may have set another one meanwhile, which may use this one.
    if portals.users == 0 and loop.get_task_factory() is portals.factory:
        loop.set_task_factory(portals.found)
