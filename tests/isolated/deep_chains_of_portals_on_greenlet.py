"""Portals in portals, 8,000 deep, end in a RecursionError: each step takes more than one call."""

# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import os
import sys
import warnings

try:
    import greenlet  # noqa: F401
except ImportError:
    print("needs greenlet")
    sys.exit(77)

from support.by_hand import trap

import switchback
from switchback import _engine, await_

switchback.settings.backend = "greenlet"
deepest = 0


def chain(level):
    """Begin one in the step of the other."""
    global deepest
    deepest = level
    if level < 8000:
        portal = _engine.open_call_portal(chain, (level + 1,))
        try:
            portal.send(None)
        except StopIteration as stop:
            return stop.value
        return await_(trap())
    return "the end"


async def awaits(level):
    """Begin one by await, in the coroutine of the other."""
    global deepest
    deepest = level
    if level < 8000:
        return await _engine.open_portal(awaits(level + 1))
    return "the end"


def outcome(portal):
    try:
        portal.send(None)
    except StopIteration as stop:
        return stop.value
    except RecursionError:
        return "RecursionError"


def check(opened):
    found = outcome(opened)
    assert found == "RecursionError", (found, deepest)
    # 10,000 C calls are to fit in 8 MiB there. A step takes what three of them take, and code that
    # it calls has to fit in, too.
    assert sys.version_info[:2] != (3, 13) or deepest < 4000, deepest
    del opened
    # All goes on as before.
    opened = _engine.open_call_portal(lambda: await_(trap()), ())
    assert opened.send(None) == "trap"
    opened.close()


# A limit of 3.11 counts C calls as well: there a high one is a promise that the stack is large.
high = [100_000] if sys.version_info >= (3, 12) else []
for limit in (sys.getrecursionlimit(), *high):
    for make in (
        lambda: _engine.open_call_portal(chain, (1,)),
        lambda: _engine.open_portal(awaits(1)),
    ):
        child = os.fork()
        if child == 0:
            sys.setrecursionlimit(limit)
            # The coroutine that was refused has not been awaited.
            warnings.simplefilter("ignore", RuntimeWarning)
            check(make())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, (limit, status)
