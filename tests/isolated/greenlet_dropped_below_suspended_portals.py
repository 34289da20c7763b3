"""A greenlet that is dropped while a portal of its own is suspended is killed, like any other."""

# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import gc
import sys
import weakref

try:
    import greenlet
except ImportError:
    print("needs greenlet")
    sys.exit(77)

from support.by_hand import trap

import switchback
from switchback import _engine, await_

switchback.settings.backend = "greenlet"
main_greenlet = greenlet.getcurrent()


async def wait():
    try:
        await_(trap())
    finally:
        log.append("portal")


def run():
    portal = _engine.open_portal(wait())
    portal.send(None)
    try:
        main_greenlet.switch()
    finally:
        log.append("loop")


def drop():
    """Drop a greenlet in the middle, and tell whether it is gone."""
    child = greenlet.greenlet(run)
    child.switch()
    gone = weakref.ref(child)
    del child
    gc.collect()
    return gone() is None


# At first the greenlet of the step is made inside the child, then it is one that lies idle.
for _ in range(2):
    log = []
    assert drop(), "the greenlet is kept"
    assert log == ["loop", "portal"], log
