"""Imports of one module by several portals of a thread: the others wait, as other threads do.

The interpreter's lock of a module belongs to the thread that imports it. A second import in that
thread is taken for a part of the first: it gets the module as far as that has come.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from types import ModuleType
from typing import Any

from . import _engine
from ._turns import Turns, Who, may_wait

# As the interpreter itself does, without importing importlib.
_bootstrap: Any = sys.modules["_frozen_importlib"]

# The thread and the name of a module.
Place = tuple[int, str]

# Those that portals import.
_under_way: dict[Place, _Import] = {}
# By the identity of a portal, what it waits for.
_awaited: dict[int, Place] = {}


def install() -> None:
    """Have each import in a portal wait for those of other portals."""
    if hasattr(_bootstrap, "_ModuleLock"):  # a later Python may do it in another way
        _bootstrap._ModuleLock = _lock_type(_bootstrap._ModuleLock)


def _lock_type(base: Any) -> type:
    class ModuleLock(base):  # type: ignore[misc]
        """A lock of threads, which portals of a thread wait for as well.

        It is held by who imports the module, and is had for a moment by who has found it in
        `sys.modules` before it is complete.
        """

        def __init__(self, name: str) -> None:
            super().__init__(name)
            # For each time that a portal has it: by the portal's identity, what is to be left.
            self._entered: list[tuple[int, _Import | None]] = []

        def acquire(self) -> Any:
            portal = _engine.current_portal()
            entered = None if portal is None else _enter(portal, self.name)
            try:
                acquired = super().acquire()
            except BaseException:
                if entered is not None and portal is not None:
                    entered.leave(portal)
                raise
            if portal is not None:
                self._entered.append((id(portal), entered))
            return acquired

        def release(self) -> None:
            super().release()
            portal = _engine.current_portal()
            if portal is None:
                return
            for index in range(len(self._entered) - 1, -1, -1):
                if self._entered[index][0] == id(portal):
                    _, entered = self._entered.pop(index)
                    if entered is not None:
                        entered.leave(portal)
                    return

    return ModuleLock


def _enter(portal: _engine.Portal, name: str) -> _Import | None:
    """Wait for others, and return what is to be left, or None."""
    place = get_ident(), name
    importing = _under_way.get(place)
    if importing is None:
        importing = _under_way[place] = _Import(place)
    elif _is_circle(place, id(portal)) or not may_wait():
        return None  # as without us
    elif importing.begun is None:
        importing.begun = sys.modules.get(name)
    importing.enter(portal)
    return importing


def _execute_again(name: str, module: ModuleType) -> None:
    """Import into a module whose body has failed, as others have found that one already."""
    spec: Any = module.__spec__
    parent, _, child = name.rpartition(".")
    module.__dict__.clear()
    sys.modules[name] = module
    spec._initializing = True
    try:
        # The interpreter's own, which raises what the body does.
        _bootstrap._exec(spec, module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        spec._initializing = False
    if parent in sys.modules:
        setattr(sys.modules[parent], child, module)


def _is_circle(place: Place, portal: int) -> bool:
    """Tell whether who imports the module waits for one that this portal imports."""
    for _ in range(len(_awaited) + 1):
        importing = _under_way.get(place)
        holders = importing.portals if importing is not None else []
        if portal in holders:
            return True
        awaited = [_awaited[holder] for holder in holders if holder in _awaited]
        if not awaited:
            return False
        place = awaited[-1]
    return False


class _Import:
    """A module that is being imported."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._turns = Turns()
        self._users = 0
        self.portals: list[int] = []
        #: What those who wait have found in sys.modules, and are going to have.
        self.begun: ModuleType | None = None

    def enter(self, portal: _engine.Portal) -> None:
        self._users += 1
        # What it takes to wait may be imported first.
        outer = _awaited.get(id(portal))
        _awaited[id(portal)] = self._place
        try:
            self._turns.enter(Who(portal))
        except BaseException:
            self._let_go()
            raise
        finally:
            if outer is None:
                del _awaited[id(portal)]
            else:
                _awaited[id(portal)] = outer
        self.portals.append(id(portal))
        name = self._place[1]
        if self.begun is not None and name not in sys.modules:
            try:
                _execute_again(name, self.begun)
            except BaseException:
                self.leave(portal)
                raise

    def leave(self, portal: _engine.Portal) -> None:
        self.portals.remove(id(portal))
        self._turns.leave(Who(portal))
        self._let_go()

    def _let_go(self) -> None:
        self._users -= 1
        if self._users == 0:
            _under_way.pop(self._place, None)
