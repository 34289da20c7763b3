"""Once idle, a stack keeps little of what it used: of its C stack, and for Python's frames."""

# mark: needs_native: is about stacks of our own
# mark: not_under asan tsan: the sanitizer has memory of its own for what a stack has touched

import sys

from support.by_hand import finish, trap
from support.resident_memory import resident_bytes

from switchback import _engine, await_

if not sys.platform.startswith("linux"):
    print("resident memory tells nothing here")
    sys.exit(77)


def in_c(levels):
    return max([levels], key=lambda _: levels and in_c(levels - 1))


def in_python(levels, a=0, b=0, c=0, d=0, e=0, f=0, g=0, h=0, i=0, j=0, k=0, m=0):
    return levels and in_python(levels - 1)


def check(recurse, levels):
    def sync():
        recurse(levels)
        await_(trap())

    before, used, left = None, [], []
    # In several rounds, as memory for something else may come on top at any time.
    for _ in range(3):
        portals = [_engine.open_call_portal(sync, ()) for _ in range(200)]
        if before is None:
            before = resident_bytes()
        for portal in portals:
            portal.send(None)
        used.append(resident_bytes() - before)
        for portal in portals:
            finish(portal)
        assert _engine.idle_stacks() == 200
        left.append(resident_bytes() - before)
    used, left = min(used), min(left)
    print(recurse.__name__, used // 200, left // 200)
    assert used > 200 * 100_000
    assert left < used * 0.6


check(in_c, 300)
check(in_python, 900)
