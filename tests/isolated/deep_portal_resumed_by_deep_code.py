"""A deep stack that is resumed by deep code gets RecursionError; the interpreter does not abort."""

# mark: needs_native: greenlet counts the recursion of each greenlet on its own

import sys

from support.by_hand import trap

from switchback import _engine, await_


def call():
    return "called"


def suspend_at(levels):
    if levels:
        return suspend_at(levels - 1)
    try:
        await_(trap())
        return call()
    except RecursionError:
        return "too deep"


def resume_at(levels, portal):
    if levels:
        return resume_at(levels - 1, portal)
    try:
        portal.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("still suspended")


limit = sys.getrecursionlimit()
for inner, outer, expected in [
    (0.2, 0.2, "called"),
    (0.6, 0.7, "too deep"),
    (0.9, 0.9, "too deep"),
]:
    portal = _engine.open_call_portal(suspend_at, (int(limit * inner),))
    portal.send(None)
    outcome = resume_at(int(limit * outer), portal)
    assert outcome == expected, (inner, outer, outcome)

# The stack is given back with nothing counted on it.
portal = _engine.open_call_portal(suspend_at, (int(limit * 0.9),))
portal.send(None)
assert resume_at(0, portal) == "called"
