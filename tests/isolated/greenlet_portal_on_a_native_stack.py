"""A portal on greenlet is not stepped on a stack of ours: greenlet would save what is between.

So it is with a greenlet that is not taken over, as it is of another kind than those that are known.
"""

# mark: needs_native: is about greenlet not being imported yet
# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import asyncio
import importlib.util
import sys

from support.greenlet_that_differs import pretend

if importlib.util.find_spec("greenlet") is None:
    print("needs greenlet")
    sys.exit(77)
pretend("flags of switch")

from support.by_hand import trap  # noqa: E402

import switchback  # noqa: E402
from switchback import _engine, await_  # noqa: E402

switchback.settings.backend = "auto"
log = []


def wait():
    try:
        return await_(trap())
    finally:
        log.append("finally")


async def wait_natively():
    value = await trap()
    log.append(value)
    return value


def begin(box):
    for portal in (_engine.open_call_portal(wait, ()), _engine.open_portal(wait_natively())):
        assert portal.send(None) == "trap"
        box.append(portal)


def is_refused(step):
    try:
        step()
    except RuntimeError as error:
        assert "cannot take a step inside a step of a portal" in str(error), error
        return True
    return False


async def main():
    await switchback.ensure_portal()  # on a stack of ours, where it stays: it imports greenlet
    early = _engine.open_portal(wait_natively())
    early.send(None)
    import greenlet

    assert greenlet
    await asyncio.sleep(0)
    dropped, kept = [], []
    asyncio.get_running_loop().call_soon(begin, dropped)
    asyncio.get_running_loop().call_soon(begin, kept)
    await asyncio.sleep(0)
    for portal in kept:
        assert is_refused(lambda portal=portal: portal.send(1))
        assert is_refused(lambda portal=portal: portal.throw(KeyError))
    dropped.clear()
    assert log == []
    return kept, early


def finish(portal, value):
    try:
        portal.send(value)
    except StopIteration as stop:
        assert stop.value == value
        return
    raise AssertionError("not finished")


async def around():
    kept, early = await asyncio.create_task(main())
    # Elsewhere they go on, and those that were dropped are closed.
    for value, portal in enumerate((*kept, early)):
        finish(portal, value)


asyncio.run(around())
assert sorted(map(str, log)) == ["1", "2", "finally", "finally"], log
