"""Run as a child: no step, and no code after it, may need a new mapping for a few frames."""

import ctypes
import sys

from support.by_hand import trap

from switchback import _engine, await_

calls = ctypes.CDLL(sys.argv[1])
ANY_MAP = 1
sys.setrecursionlimit(10_000)


def recurse(levels, function):
    return function() if levels == 0 else recurse(levels - 1, function)


def few_calls():
    recurse(10, lambda: None)


def without_mappings(function):
    calls.fail_at(ANY_MAP, 0, 1)
    try:
        function()
    finally:
        calls.fail_at(ANY_MAP, -1, 0)


def step(portal):
    try:
        portal.send(None)
    except StopIteration:
        pass


def sync():
    few_calls()
    await_(trap())
    few_calls()
    # Where a second chunk has just begun, and has room.
    recurse(2_500, lambda: (recurse(100, lambda: None), await_(trap()), few_calls()))
    few_calls()


def warm_up():
    portal = _engine.open_call_portal(sync, ())
    for _ in range(3):
        step(portal)


warm_up()
for levels in range(0, 200, 5):
    portal = _engine.open_call_portal(sync, ())

    def first(portal=portal):
        step(portal)
        few_calls()

    # At every place in a chunk of the thread's own. Where that is full, there is nothing to see.
    try:
        recurse(levels, lambda: without_mappings(few_calls))
    except MemoryError:
        continue
    recurse(levels, lambda: without_mappings(first))
    step(portal)
    without_mappings(lambda portal=portal: step(portal))
