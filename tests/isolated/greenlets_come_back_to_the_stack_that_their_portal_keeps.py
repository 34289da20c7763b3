"""A greenlet that a portal has started comes back to its place on the portal's stack, step by step.

The portal began before the program had imported greenlet, so that it runs on a stack of ours.
"""

# With a greenlet that is not taken over: one that is runs nothing on such a stack.
# mark: needs_native: is about portals that begin before greenlet is imported
# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import gc
import importlib.util
import sys

from support.greenlet_that_differs import pretend

pretend("flags of switch")

from support.by_hand import finish, trap  # noqa: E402

import switchback  # noqa: E402
from switchback import _engine, await_  # noqa: E402

if importlib.util.find_spec("greenlet") is None:
    print("needs greenlet")
    sys.exit(77)
switchback.settings.backend = "auto"


def deep(levels, function):
    """Call a function with much of the C stack in use, all of which is looked at afterwards."""
    values = [object() for _ in range(5)]
    kept = list(values)
    result = max([levels], key=lambda _: deep(levels - 1, function) if levels else function() or 1)
    assert all(a is b for a, b in zip(values, kept, strict=True))
    return result


def in_greenlet(name, log):
    import greenlet

    def run():
        for number in range(3):
            log.append((name, number))
            deep(5, greenlet.getcurrent().parent.switch)
        return name

    return greenlet.greenlet(run)


async def work(name, log):
    await_(trap())
    import greenlet

    child = in_greenlet(name, log)
    for _ in range(3):
        # On a stack of ours, which is the same each time.
        assert greenlet.getcurrent().parent is None
        child.parent = greenlet.getcurrent()
        child.switch()
        # Between two steps nothing of the portal's is on its stack, but for the greenlet's place.
        await trap()
    child.parent = greenlet.getcurrent()
    assert child.switch() == name
    assert child.dead


async def busy(log):
    """Has its own frames on whatever stack it gets."""
    await_(trap())
    for _ in range(4):
        deep(8, lambda: await_(trap()))
    log.append("busy")


log = []
portals = [_engine.open_portal(work(name, log)) for name in ("first", "second")]
portals.append(_engine.open_portal(busy(log)))
portals.append(_engine.open_portal(busy(log)))
for portal in portals:
    portal.send(None)
import greenlet  # noqa: E402

stacks = []
for _ in range(4):
    for portal in portals:
        try:
            portal.send(None)
        except StopIteration:
            pass
    gc.collect()
    stacks.append(_engine.live_stacks())
assert stacks == stacks[:1] * 4, stacks
for portal in portals[2:]:
    finish(portal)
assert log.count("busy") == 2, log
for name in ("first", "second"):
    assert [entry for entry in log if entry[0] == name] == [(name, n) for n in range(3)], log
assert greenlet.getcurrent().parent is None
