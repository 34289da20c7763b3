"""A greenlet that is dropped while a portal of its loop is suspended is killed, like any other."""

import asyncio
import gc
import sys
import weakref

try:
    import greenlet
except ImportError:
    print("needs greenlet")
    sys.exit(77)

import switchback
from switchback import await_, with_portal_run_sync

switchback.backend = "greenlet"
main_greenlet = greenlet.getcurrent()


def wait():
    try:
        await_(asyncio.sleep(30))
    finally:
        log.append("portal")


async def leave():
    task = asyncio.create_task(with_portal_run_sync(wait))
    await asyncio.sleep(0)
    try:
        main_greenlet.switch()
    finally:
        log.append("loop")
        del task


def drop():
    """Drop a greenlet inside its loop, and tell whether it is gone."""
    child = greenlet.greenlet(lambda: asyncio.run(leave()))
    child.switch()
    asyncio._set_running_loop(None)
    gone = weakref.ref(child)
    del child
    gc.collect()
    return gone() is None


# At first the greenlet of the step is made inside the child, then it is one that lies idle.
for _ in range(2):
    log = []
    assert drop(), "the greenlet is kept"
    assert log == ["loop", "portal"], log
