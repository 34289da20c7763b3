"""The tests of CPython's suite that may end otherwise inside a portal, each with the reason."""

from __future__ import annotations

import sys

_ALLOCATES = (
    "counts objects that are made, or waits for the next one; the signal handler makes some"
)

#: Where -> the test -> why.
DIFFERENCES: dict[str, dict[str, str]] = {"portal": {}, "preempted": {}}

if sys.version_info < (3, 13):
    DIFFERENCES["preempted"].update(
        {
            "test.test_frame.TestIncompleteFrameAreInvisible.test_sneaky_frame_object": _ALLOCATES,
        }
    )
if sys.version_info < (3, 12):
    DIFFERENCES["preempted"].update(
        {
            "test.test_gc.GCTests.test_get_count": _ALLOCATES,
        }
    )
