"""Endless recursion in C ends in RecursionError outside of portals, after they have run."""

from support.by_hand import trap

from switchback import _engine, await_

value = []
for _ in range(1_000_000):
    value = [value]


def recurse():
    try:
        repr(value)
    except RecursionError:
        return
    raise AssertionError("no RecursionError")


def sync():
    await_(trap())
    await_(trap())


portal = _engine.open_call_portal(sync, ())
recurse()
portal.send(None)
recurse()
portal.send(None)
recurse()
try:
    portal.send(None)
except StopIteration:
    recurse()
