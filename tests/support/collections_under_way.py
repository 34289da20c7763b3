"""Tells code that a collection may have called whether it may switch greenlets."""

import gc

import greenlet

from switchback import _engine

# Not empty while the collector runs.
_collecting = []


def _note_collection(phase, _):
    if phase == "start":
        _collecting.append(True)
    else:
        _collecting.clear()


gc.callbacks.append(_note_collection)


def may_switch():
    """While the collector runs, on a stack of ours only.

    The collector keeps the heads of its lists on the C stack. greenlet moves them away where it
    switches meanwhile. What is freed then writes to where they were: docs/caveats.md.
    """
    # A portal on the greenlet backend has a greenlet of its own.
    on_own_stack = greenlet.getcurrent().parent is None and _engine.current_portal() is not None
    return on_own_stack or not _collecting
