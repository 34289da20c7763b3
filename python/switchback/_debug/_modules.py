"""Extension modules that two portals were inside of at once, and left in another order."""

from __future__ import annotations

import os
import sys
import warnings
from _thread import get_ident
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from weakref import ref

from .. import _engine

# The portals that are inside of a module of a thread, the first to enter first.
_inside: dict[tuple[int, str], list[_Call]] = {}
_reported: set[str] = set()
_library = os.path.dirname(os.__file__)


class _Call:
    """A portal that has called into a module, and where it was suspended last."""

    def __init__(self, portal: _engine.Portal) -> None:
        self.identity = id(portal)
        self.portal = ref(portal, lambda _: _forget(self))
        self.place = ""

    def has_ended(self) -> bool:
        portal = self.portal()
        return portal is None or not (portal.cr_suspended or portal.cr_running)

    def is_suspended(self) -> bool:
        portal = self.portal()
        return portal is not None and portal.cr_suspended


def look(portal: _engine.Portal, modules: Iterable[str]) -> None:
    """Note which modules a portal is inside of, as it is about to be suspended."""
    thread = get_ident()
    here = {(thread, module) for module in modules if _is_an_extension(module)}
    for place, calls in list(_inside.items()):
        for call in [call for call in calls if call.has_ended()]:
            _leave(place, call)
        if place in here:
            continue
        for call in list(calls):
            if call.identity == id(portal):
                _leave(place, call)
    for place in here:
        calls = _inside.setdefault(place, [])
        own = next((call for call in calls if call.identity == id(portal)), None)
        if own is None:
            own = _Call(portal)
            calls.append(own)
        own.place = _place_of_caller()


def _forget(call: _Call) -> None:
    """As its portal has ended."""
    for place in list(_inside):
        _leave(place, call)


def _leave(place: tuple[int, str], call: _Call) -> None:
    calls = _inside.get(place, [])
    if call not in calls:
        return
    later = [other for other in calls[calls.index(call) + 1 :] if other.is_suspended()]
    calls.remove(call)
    if not calls:
        del _inside[place]
    module = place[1]
    if not later or module in _reported:
        return
    _reported.add(module)
    warnings.warn(
        f"two portals were inside of {module} at once, and the first to enter was the first to "
        f"leave: one waited at {call.place}, the other waits at {later[-1].place}. A module that "
        f"takes its last call for the one under way goes wrong there, unless it notes that in "
        f"thread-locals that point into the stack: docs/libraries.md. switchback.exclusive() lets "
        f"one in at a time",
        RuntimeWarning,
        stacklevel=2,
    )


def _is_an_extension(file: str) -> bool:
    # Those of the standard library are known to be right.
    return file.endswith(tuple(EXTENSION_SUFFIXES)) and (
        not file.startswith(_library) or "-packages" in file
    )


def _place_of_caller() -> str:
    frame = sys._getframe(1)
    here = os.path.dirname(__file__)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(here):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_qualname}"
