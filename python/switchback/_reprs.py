"""Which repr() is under way, where Python code asks that by the thread: `reprlib`, `dataclasses`.

`reprlib.recursive_repr` takes an object for one that contains itself when its repr() is under way
in the same thread. In a portal that may be one of another portal, which is suspended.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from types import SimpleNamespace
from typing import Any

from . import _engine
from ._turns import Who
from ._watching import when_imported


def install() -> None:
    """Have them ask where in a thread they are: in which portal."""
    when_imported("reprlib", lambda: _replace("reprlib"))
    if sys.version_info < (3, 13):  # later ones use reprlib
        when_imported("dataclasses", _replace_in_dataclasses)


def _replace(name: str) -> None:
    module: Any = sys.modules[name]
    if getattr(module, "get_ident", None) is get_ident:  # else they do it in another way
        module.get_ident = _get_place


def _replace_in_dataclasses() -> None:
    dataclasses: Any = sys.modules["dataclasses"]
    names = dataclasses._recursive_repr.__code__.co_consts
    of_wrapper = [code.co_names for code in names if hasattr(code, "co_names")]
    if of_wrapper and set(of_wrapper[0]) <= {"id", "_thread", "get_ident", "add", "discard"}:
        dataclasses._thread = SimpleNamespace(get_ident=_get_place)


def _get_place() -> int | _Place:
    portal = _engine.current_portal()
    return get_ident() if portal is None else _Place(portal)


class _Place:
    """A portal in the place of a thread's identity: the same only where it is below on the stack.

    What is suspended is not, so that it is another place then.
    """

    __slots__ = ("_thread", "_who")

    def __init__(self, portal: _engine.Portal) -> None:
        self._thread = get_ident()
        self._who = Who(portal)

    def __hash__(self) -> int:
        return hash(self._thread)

    def __eq__(self, other: object) -> bool:
        if self._who.is_suspended():
            return False
        if isinstance(other, _Place):
            return self._thread == other._thread and not other._who.is_suspended()
        return self._thread == other
