"""The tests of greenback's that do not apply to Switchback, each with the reason."""

from __future__ import annotations

import os
import sys

_LIBRARIES = ("asyncio", "trio")


def _on_both(test: str, reason: str) -> dict[str, str]:
    return {f"test_impl.py::{test}[{library}]": reason for library in _LIBRARIES}


EXCLUSIONS: dict[str, str] = {
    "test_impl.py::test_misuse": (
        "expects errors of sniffio's, and a refusal of frameworks that greenback does not know"
    ),
    "test_impl.py::test_find_ptr_in_object": "tests a private helper",
    **_on_both("test_portal_map_does_not_leak", "looks into a private table of portals"),
    **_on_both("test_awaitable", "expects a frame of await_() in a traceback"),
    **_on_both("test_recursive_error", "counts the frames of await_() in a traceback"),
    **_on_both(
        "test_uncleanable_traceback",
        "expects send() of a coroutine-like object to be called, where `await` uses __await__()",
    ),
}

if os.environ.get("SWITCHBACK_BACKEND") == "native":
    EXCLUSIONS |= _on_both("test_double_greenlet", "needs the greenlet backend")

if sys.version_info >= (3, 12):
    EXCLUSIONS["test_util.py::test_magic"] = (
        "expects an object to be dropped that `await` keeps as well: Trio holds a caught Cancelled "
        "for the rest of the step, whose frames have held their callers since Python 3.12"
    )
