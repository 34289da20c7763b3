"""Libraries that keep the call under way in a thread-local: one for each way to keep it."""

from __future__ import annotations

import ctypes
import random
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.by_hand import finish, suspended, trap
from support.children import TESTS, compile_library

from switchback import await_

SOURCE = TESTS / "support" / "call_under_way.c"

#: Beyond what is looked at as a whole at each switch: a megabyte.
LARGE = 131072

KINDS = {
    "thread-local": ["-DKEEPS_IN_THREAD_LOCAL"],
    "fixed place": ["-DKEEPS_IN_FIXED_PLACE"],
    "key": ["-DKEEPS_IN_KEY"],
    "first of many": ["-DKEEPS_IN_THREAD_LOCAL", "-DWORDS_BEFORE=0", f"-DWORDS_AFTER={LARGE}"],
    "last of many": ["-DKEEPS_IN_THREAD_LOCAL", f"-DWORDS_BEFORE={LARGE}", "-DWORDS_AFTER=0"],
}


def build(place: Path, kind: str, *options: str) -> Path:
    """Compile the library for one way to keep the call."""
    headers = sysconfig.get_paths()["include"]
    return compile_library(SOURCE, place, f"-I{headers}", *KINDS[kind], *options)


def load(place: Path) -> ctypes.PyDLL:
    library = ctypes.PyDLL(str(place))
    library.call_back.argtypes = [ctypes.c_long, ctypes.py_object]
    library.call_back.restype = ctypes.py_object
    library.under_way.restype = ctypes.c_long
    library.call_with_locale.argtypes = [ctypes.py_object]
    library.call_with_locale.restype = ctypes.py_object
    library.set_call.argtypes = [ctypes.c_void_p]
    library.get_call.restype = ctypes.c_void_p
    return library


def wait() -> str:
    """Suspend three times."""
    for _ in range(3):
        await_(trap())
    return "done"


def portal_in(library: ctypes.PyDLL, number: int, function: Callable[[], Any] = wait) -> Any:
    """Return a portal that is suspended in a callback of the library."""
    return suspended(library.call_back, number, function)


def end_out_of_order(portals: list[Any]) -> list[Any]:
    """Resume portals in no order, and not the same each time, until all have ended."""
    chance = random.Random(5)
    results: list[Any] = [None] * len(portals)
    left = list(range(len(portals)))
    while left:
        index = chance.choice(left)
        try:
            portals[index].send(None)
        except StopIteration as stop:
            results[index] = stop.value
            left.remove(index)
    return results


__all__ = ["KINDS", "build", "end_out_of_order", "finish", "load", "portal_in", "wait"]
