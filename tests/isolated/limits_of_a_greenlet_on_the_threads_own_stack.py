"""Recursion in C has its bounds where a greenlet has gone back to the stack of the thread."""
# mark: imports_greenlet

import sys

import switchback
from switchback import _engine

try:
    import greenlet
except ImportError:
    print("greenlet is not installed")
    sys.exit(77)
if _engine.native_obstacle() is not None:
    print(_engine.native_obstacle())
    sys.exit(77)
_engine.set_backend("native")

value = []
for _ in range(1_000_000):
    value = [value]


def recurse():
    try:
        repr(value)
    except RecursionError:
        return
    raise AssertionError("no RecursionError")


def step(portal):
    try:
        portal.send(None)
    except StopIteration:
        return
    raise AssertionError("suspended")


main = greenlet.getcurrent()
# The portal's step goes on to the main greenlet, which runs another portal on the thread's stack.
inside = greenlet.greenlet(lambda: step(_engine.open_call_portal(lambda: main.switch(), ())))
inside.switch()
step(_engine.open_call_portal(lambda: None, ()))
recurse()
inside.switch()
recurse()
assert switchback is not None
