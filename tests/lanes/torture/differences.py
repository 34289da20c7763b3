"""The tests of CPython's suite that may end otherwise inside a portal, each with the reason."""

from __future__ import annotations

import sys

_ALLOCATES = (
    "counts objects that are made, or waits for the next one; the signal handler makes some"
)

#: Where -> the modules that compare every event of tracing and profiling that there is. Each
#: suspension has such events, as that of a coroutine has, so their tests may fail there.
SEE_EVENTS: dict[str, set[str]] = {
    "preempted": {"test_sys_settrace", "test_sys_setprofile", "test_pdb", "test_monitoring"},
}

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
