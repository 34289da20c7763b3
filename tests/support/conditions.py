"""Reads what a test needs from the markers on it: tests/README.md says what each of them means."""

from __future__ import annotations

import os
import sys

import pytest

import switchback
from switchback import _engine

MARKERS = {
    "needs_native(reason)": "holds on the native backend only",
    "chooses_native(reason)": "chooses the native backend itself, whichever the tests run on",
    "not_under(*names, reason)": "does not hold under these: see `UNDER`",
    "only_under(*names, reason)": "is run under these only",
    "minor(since=None, before=None, reason='')": "holds on these minors of Python only",
    "imports_greenlet": "imports greenlet into this process, and comes after all that do not",
    "in_child_process": "does its work in processes of its own",
    "quick": "one of those that stand for all in the quick form of a lane",
    "threads": "is about what threads do at the same time",
    "unknown_minor": "is run on the build for an unknown minor as well",
    "page_size": "hangs on the size of a page",
}

#: What the tests run under: "asan", "asan-greenlet", "tsan", "qemu" or "leak", as the scripts say;
#: and "leak-debug" where a debug build of Python counts references.
UNDER = {os.environ["SWITCHBACK_UNDER"]} if os.environ.get("SWITCHBACK_UNDER") else set()
if "leak" in UNDER and hasattr(sys, "gettotalrefcount"):
    UNDER.add("leak-debug")

#: What has been imported into this process before all tests: "greenlet", or nothing.
BESIDE = os.environ.get("SWITCHBACK_TEST_BESIDE", "")
if BESIDE not in ("", "greenlet"):
    raise ValueError(f"SWITCHBACK_TEST_BESIDE is 'greenlet' or not set, not {BESIDE!r}")


def register(config: pytest.Config) -> None:
    for marker, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {meaning}")


def obstacle(marker: pytest.Mark) -> str | None:
    """Why a test that has this marker is not run here, if so."""
    reason = marker.kwargs.get("reason", "")
    if marker.name in ("needs_native", "chooses_native", "not_under", "only_under") and not reason:
        raise ValueError(f"the marker {marker.name} takes a reason")
    match marker.name:
        case "needs_native" if switchback.settings.backend != "native":
            return f"native backend only: {reason}"
        case "chooses_native" if _engine.native_obstacle() is not None:
            return f"there is no native backend here: {reason}"
        case "not_under" if UNDER.intersection(marker.args):
            return reason
        case "only_under" if not UNDER.intersection(marker.args):
            return reason
        case "minor":
            here = sys.version_info[:2]
            since, before = marker.kwargs.get("since"), marker.kwargs.get("before")
            if since and here < parse(since):
                return f"needs Python {since}: {reason}"
            if before and here >= parse(before):
                return f"needs a Python before {before}: {reason}"
    return None


def parse(minor: str) -> tuple[int, ...]:
    return tuple(map(int, minor.split(".")))


def imports_greenlet(item: pytest.Item) -> bool:
    return item.get_closest_marker("imports_greenlet") is not None


def apply(items: list[pytest.Item]) -> None:
    """Order the tests, and skip those that cannot hold here."""
    # Portals are to be tried where greenlet has not been imported, and beside it by a run of its
    # own.
    items.sort(key=imports_greenlet)
    for item in items:
        for reason in filter(None, map(obstacle, item.iter_markers())):
            item.add_marker(pytest.mark.skip(reason=reason))


def check_imports(item: pytest.Item) -> None:
    may_import = BESIDE or switchback.settings.backend != "native" or imports_greenlet(item)
    assert may_import or "greenlet" not in sys.modules, "a test before this has imported greenlet"


def marks_of_script(text: str) -> list[pytest.MarkDecorator]:
    """The markers that a script states in lines such as ``# mark: not_under asan tsan: reason``."""
    marks = []
    for line in text.splitlines():
        if line.startswith("# mark: "):
            words, _, reason = line.removeprefix("# mark: ").partition(": ")
            name, *arguments = words.split()
            keywords = dict(word.split("=") for word in arguments if "=" in word)
            plain = [word for word in arguments if "=" not in word]
            if reason:
                keywords["reason"] = reason
            mark = getattr(pytest.mark, name)
            marks.append(mark(*plain, **keywords) if plain or keywords else mark)
    return marks
