"""Imports of one module by several portals of a thread: the others wait, as other threads do.

The interpreter's lock of a module belongs to the thread that imports it. A second import in that
thread is taken for a part of the first: it gets the module as far as that has come.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from types import ModuleType, TracebackType
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
    if not hasattr(_bootstrap, "_ModuleLockManager"):
        return  # a later Python, which does it in another way
    wait_for_module = _bootstrap._lock_unlock_module

    def lock_unlock_module(name: str) -> None:
        # A module that is being imported has been found in sys.modules.
        place = get_ident(), name
        if place in _under_way:
            entered = _enter(place, sys.modules.get(name))
            if entered is not None:
                entered.leave()
        wait_for_module(name)

    class ModuleLockManager(_bootstrap._ModuleLockManager):  # type: ignore[misc]
        _entered: _Import | None = None

        def __enter__(self) -> None:
            if _engine.current_portal() is not None:
                self._entered = _enter((get_ident(), self._name))
            try:
                super().__enter__()
            except BaseException:
                self._leave()
                raise

        def __exit__(
            self,
            exc_type: type[BaseException] | None,
            exc: BaseException | None,
            traceback: TracebackType | None,
        ) -> None:
            try:
                super().__exit__(exc_type, exc, traceback)
            finally:
                self._leave()

        def _leave(self) -> None:
            entered, self._entered = self._entered, None
            if entered is not None:
                entered.leave()

    _bootstrap._ModuleLockManager = ModuleLockManager
    _bootstrap._lock_unlock_module = lock_unlock_module


def _enter(place: Place, module: ModuleType | None = None) -> _Import | None:
    """Wait for others, and return what is to be left, or None.

    `module` is what the caller has found, and is going to have.
    """
    portal = _engine.current_portal()
    if portal is None:
        return None
    importing = _under_way.get(place)
    if importing is None:
        importing = _under_way[place] = _Import(place)
    elif _is_circle(place, id(portal)) or not may_wait():
        return None  # as without us
    if importing.begun is None:
        importing.begun = module
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
                self.leave()
                raise

    def leave(self) -> None:
        portal = _engine.current_portal()
        if portal is not None and id(portal) in self.portals:
            self.portals.remove(id(portal))
            self._turns.leave(Who(portal))
        self._let_go()

    def _let_go(self) -> None:
        self._users -= 1
        if self._users == 0:
            _under_way.pop(self._place, None)
