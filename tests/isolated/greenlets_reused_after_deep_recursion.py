"""A pooled greenlet counts the recursion of a step from where that begins, not from its making."""

import sys

from support.by_hand import trap

import switchback
from switchback import _engine, await_

if switchback.settings.backend == "native" or _engine.native_obstacle() is not None:
    print("is about the greenlets of portals, where the counters of recursion are known")
    sys.exit(77)


def recurse(levels):
    return recurse(levels - 1) if levels else 0


def step_at(levels, depth_of_step):
    if levels:
        return step_at(levels - 1, depth_of_step)
    portal = _engine.open_call_portal(recurse, (depth_of_step,))
    try:
        portal.send(None)
    except StopIteration:
        return "ended"
    raise AssertionError("suspended")


def suspend_at(levels):
    if levels:
        return suspend_at(levels - 1)
    await_(trap())
    return recurse(20)


limit = sys.getrecursionlimit()
# Makes a greenlet deep in the stack, which goes to the pool.
assert step_at(int(limit * 0.8), 0) == "ended"
# It is as good as any other.
assert step_at(0, int(limit * 0.8)) == "ended"

# And one that was made at the bottom does not forget how deep its next step begins.
try:
    step_at(int(limit * 0.6), int(limit * 0.6))
except RecursionError:
    pass
else:
    raise AssertionError("as deep as twice the limit")

# A step goes on with what it had used itself when it was suspended.
portal = _engine.open_call_portal(suspend_at, (int(limit * 0.5),))
portal.send(None)
try:
    portal.send(None)
except StopIteration as stop:
    assert stop.value == 0
