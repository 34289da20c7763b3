"""What runs in trees of asyncio tasks: children that have a portal, and those that have none."""

import asyncio

import pytest

import switchback
from switchback import await_, has_portal, portals_for_children


async def later(value):
    await asyncio.sleep(0)
    return value


async def awaits(value="done"):
    """Await as a child of the tree can."""
    return await_(later(value))


async def has_none():
    assert not has_portal()
    with pytest.raises(switchback.NoPortalError):
        await_(later(1))


async def generator_of_a_tree():
    """Enter a tree at the first step, and leave it at the next, in whatever context that is."""
    with portals_for_children():
        yield
