"""Portals beside nest_asyncio itself: WHEN ("before" or "after" the first portal), and its name."""

import asyncio
import importlib
import sys

when, name = sys.argv[1:]
nest_asyncio = importlib.import_module(name)
if when == "before":
    nest_asyncio.apply()

import switchback  # noqa: E402
from switchback import await_, ensure_portal  # noqa: E402


async def later(value):
    await asyncio.sleep(0.001)
    return value


async def awaits():
    return await_(later("awaited"))


async def ensures():
    await ensure_portal()
    return await_(later("ensured"))


async def main():
    await ensure_portal()
    assert await_(later(1)) == 1
    if when == "after":
        nest_asyncio.apply()
        assert await_(later(1)) == 1
    assert await asyncio.gather(*(ensures() for _ in range(50))) == ["ensured"] * 50
    switchback.enable()
    assert await asyncio.gather(*(awaits() for _ in range(50))) == ["awaited"] * 50
    assert asyncio.run(awaits()) == "awaited"
    assert asyncio.get_event_loop().run_until_complete(awaits()) == "awaited"
    switchback.disable()
    try:
        switchback.patch_asyncio()
    except RuntimeError as error:
        assert "install_as_nest_asyncio()" in str(error)
    else:
        raise AssertionError("patched what has been patched")
    return "done"


async def tree():
    return await asyncio.create_task(awaits())


assert asyncio.run(main()) == "done"
assert asyncio.run(switchback.with_portal_run_tree(tree)) == "awaited"
