"""sys.setrecursionlimit() in a portal, or while one is suspended, counts right for all stacks."""

import asyncio
import sys

from support.by_hand import trap

from switchback import _engine, await_, with_portal_run_sync


def depth():
    def recurse(levels):
        try:
            return recurse(levels + 1)
        except RecursionError:
            return levels

    return recurse(0)


async def check(limit):
    assert sys.getrecursionlimit() == limit
    for found in (depth(), await with_portal_run_sync(depth), depth()):
        assert limit - 100 < found < limit, (limit, found)


async def main():
    await check(1000)
    await with_portal_run_sync(sys.setrecursionlimit, 5000)
    await check(5000)
    sys.setrecursionlimit(6000)
    await check(6000)
    sys.setrecursionlimit(1000)
    await check(1000)
    await with_portal_run_sync(sys.setrecursionlimit, 300)
    await check(300)
    await with_portal_run_sync(sys.setrecursionlimit, 1000)
    await check(1000)


asyncio.run(main())


def deep(levels):
    if levels:
        return deep(levels - 1)
    await_(trap())
    return depth()


for levels, limit in [(100, 3000), (800, 3000), (100, 500), (0, 1000)]:
    portal = _engine.open_call_portal(deep, (levels,))
    portal.send(None)
    sys.setrecursionlimit(limit)
    try:
        portal.send(None)
    except StopIteration as stop:
        left = limit - levels
        assert left - 100 < stop.value < left, (levels, limit, stop.value)
    sys.setrecursionlimit(1000)
    assert 900 < depth() < 1000
