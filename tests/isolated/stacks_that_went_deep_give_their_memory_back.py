"""Once idle, a stack keeps little of what it used: of its C stack, and for Python's frames."""

import mmap
import sys
import types

from switchback import _engine, await_

if not sys.platform.startswith("linux"):
    print("resident memory tells nothing here")
    sys.exit(77)


@types.coroutine
def trap():
    yield


def in_c(levels):
    return max([levels], key=lambda _: levels and in_c(levels - 1))


def in_python(levels, a=0, b=0, c=0, d=0, e=0, f=0, g=0, h=0, i=0, j=0, k=0, m=0):
    return levels and in_python(levels - 1)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE


def check(recurse, levels):
    def sync():
        recurse(levels)
        await_(trap())

    portals = [_engine.open_call_portal(sync, ()) for _ in range(200)]
    before = resident_bytes()
    for portal in portals:
        portal.send(None)
    used = resident_bytes() - before
    for portal in portals:
        try:
            portal.send(None)
        except StopIteration:
            pass
    assert _engine.idle_stacks() == 200
    left = resident_bytes() - before
    print(recurse.__name__, used // 200, left // 200)
    assert used > 200 * 100_000
    assert left < used * 0.6


check(in_c, 300)
check(in_python, 900)
