"""Python frames of each stack stay where they are, through steps that recurse in turns."""

import sys

from support.by_hand import trap

from switchback import _engine, await_

sys.setrecursionlimit(20_000)
LEVELS = 4_000  # more than the first chunk of a stack's frames holds


def recurse(levels, tag, function):
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = (tag, levels)
    result = function() if levels == 0 else recurse(levels - 1, tag, function)
    assert a0 is a1 is a2 is a3 is a4 is a5 is a6 is a7
    assert a0 == (tag, levels)
    return result


def wait_at(*depths, tag):
    def wait():
        await_(trap())

    def wait_and_recurse():
        await_(trap())
        # The frames of these are the first after the switch.
        recurse(50, tag, lambda: None)
        await_(trap())

    for depth in depths:
        recurse(depth, tag, wait_and_recurse)
        recurse(depth, tag, wait)


def run_all(portals, between):
    while portals:
        for portal in portals.copy():
            try:
                portal.send(None)
            except StopIteration:
                portals.remove(portal)
            between()


def open_ones():
    depths = [(3, LEVELS, 5, LEVELS), (LEVELS, 3, LEVELS), (1, 2, 3), (50, 500, 50)]
    return [
        _engine.open_call_portal(lambda depths=depths, tag=tag: wait_at(*depths, tag=tag), ())
        for tag, depths in enumerate(depths * 2)
    ]


run_all(open_ones(), lambda: None)
run_all(open_ones(), lambda: recurse(LEVELS, "outside", lambda: None))
for depth in (50, 300, 1000, LEVELS):
    recurse(
        depth,
        "outside",
        lambda: run_all(open_ones(), lambda: recurse(50, "deep", lambda: None)),
    )
    recurse(LEVELS, "afterwards", lambda: None)
# One in the other.
for _ in range(2):
    portal = _engine.open_call_portal(run_all, (open_ones(), lambda: None))
    try:
        portal.send(None)
    except StopIteration:
        pass
