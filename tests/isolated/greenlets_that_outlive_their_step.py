"""A greenlet that is switched to when its portal's step has ended crashes nothing."""

# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import gc
import sys

try:
    import greenlet
except ImportError:
    print("needs greenlet")
    sys.exit(77)

from support.by_hand import trap

import switchback
from switchback import NoPortalError, _engine, await_

switchback.settings.backend = "greenlet"


def fill_memory():
    """Have what was freed be used for something else."""
    return [bytearray(size) for size in range(100, 600) for _ in range(20)]


def coroutine_that_has_lost_its_step():
    """The step of the one ends in a switch from the other, which goes on to execute."""
    greenlets, log = [], []

    async def waits():
        greenlets.append(greenlet.getcurrent())
        await_(trap())

    async def switches():
        values = [str(number) for number in range(100)]
        greenlets.append(greenlet.getcurrent())
        try:
            greenlets[0].switch()
        finally:
            log.append(len(values))

    first = _engine.open_portal(waits())
    first.send(None)
    second = _engine.open_portal(switches())
    for step, argument in ((second.send, None), (second.throw, KeyError)):
        try:
            step(argument)
        except (RuntimeError, ValueError, KeyError):
            pass
        else:
            raise AssertionError("the step went on without its portal")
    del second, step
    gc.collect()
    kept = fill_memory()
    greenlets[1].switch()
    assert log == [100], log
    try:
        first.send(None)
    except RuntimeError as error:
        assert "which waits in await_()" in str(error)
    del kept


def await_whose_portal_is_gone(backend):
    """A greenlet that a portal has started awaits when the portal has ended: no step runs."""
    switchback.settings.backend = backend
    children, log = [], []

    async def late(hub):
        hub.switch()
        await trap()

    async def main():
        hub = greenlet.getcurrent()

        def work():
            try:
                await_(late(hub))
            except NoPortalError as error:
                log.append(str(error))

        child = greenlet.greenlet(work)
        children.append(child)
        child.switch()

    portal = _engine.open_portal(main())
    try:
        portal.send(None)
    except StopIteration:
        pass
    del portal
    gc.collect()
    kept = fill_memory()
    children[0].switch()
    assert len(log) == 1 and "none is running" in log[0], log
    del kept


coroutine_that_has_lost_its_step()
for name in ("greenlet", "native"):
    if name == "greenlet" or _engine.native_obstacle() is None:
        await_whose_portal_is_gone(name)
