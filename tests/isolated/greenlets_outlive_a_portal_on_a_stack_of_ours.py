"""A greenlet comes back to the stack of a portal that has ended, and finds nobody there.

Portals inside of one that began before the import of greenlet run on stacks of ours as well.
"""

# With a greenlet that is not taken over: one that is runs nothing on such a stack.
# mark: needs_native: is about portals that begin before greenlet is imported
# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import gc
import importlib.util
import sys

from support.greenlet_that_differs import pretend

pretend("flags of switch")

from support.by_hand import finish, suspended, trap  # noqa: E402

import switchback  # noqa: E402
from switchback import await_  # noqa: E402

if importlib.util.find_spec("greenlet") is None:
    print("needs greenlet")
    sys.exit(77)
switchback.settings.backend = "auto"
children = []


def deep(levels, function):
    """Call a function with much of the C stack in use, all of which is looked at afterwards."""
    values = [object() for _ in range(5)]
    kept = list(values)
    max([levels], key=lambda _: deep(levels - 1, function) if levels else function() or 1)
    assert all(a is b for a, b in zip(values, kept, strict=True))
    return 1


def start_a_child():
    import greenlet

    def run():
        deep(5, greenlet.getcurrent().parent.switch)
        return "ended"

    await_(trap())
    child = greenlet.greenlet(run)
    child.switch()
    children.append(child)


def wait_deep():
    deep(8, lambda: await_(trap()))
    return "went on"


def outer():
    await_(trap())
    import greenlet

    assert greenlet.getcurrent().parent is None
    finish(suspended(start_a_child))
    finish(suspended(start_a_child))
    others = [suspended(wait_deep) for _ in range(3)]
    await_(trap())
    for other in others:
        assert finish(other) == "went on"
    return "done"


portal = suspended(outer)
portal.send(None)
import greenlet  # noqa: E402

# The one is resumed, the other is killed as it is collected.
child = children.pop()
child.parent = greenlet.getcurrent()
assert child.switch() == "ended"
children.clear()
del child
gc.collect()
assert finish(portal) == "done"
