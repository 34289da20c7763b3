"""Recursion in a portal is as deep as outside, and comes back from where it has waited."""

from __future__ import annotations

import asyncio
import json

import pytest

from switchback import await_, ensure_portal, with_portal_run_sync

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


def depth_of(recurse):
    """Return how deep a function gets that appends to a list at each level."""
    levels = []
    with pytest.raises(RecursionError):
        recurse(levels)
    return len(levels)


def plain(levels):
    levels.append(1)
    plain(levels)


def by_sorted(levels):
    levels.append(1)
    sorted([1], key=lambda _: by_sorted(levels))


def by_repr(levels):
    class Nested:
        def __repr__(self):
            levels.append(1)
            return repr([self])

    class Box:
        def __init__(self, inner):
            self.inner = inner

        def __repr__(self):
            levels.append(1)
            return repr(self.inner)

    # Objects of their own, as repr() of a list breaks cycles through it.
    box = Box(0)
    for _ in range(20_000):
        box = Box([box])
    try:
        repr(box)
    finally:
        while isinstance(box, Box) and box.inner:
            box = box.inner[0]


def by_json(levels):
    def default(_):
        levels.append(1)
        return json.dumps(object(), default=default)

    json.dumps(object(), default=default)


def by_await(levels):
    async def awaited():
        levels.append(1)
        await_(awaited())

    await_(awaited())


RECURSIONS = [plain, by_sorted, by_repr, by_json]


@pytest.mark.parametrize("recurse", RECURSIONS, ids=lambda recurse: recurse.__name__)
def test_recursion_is_as_deep_as_outside(asyncio_library, recurse):
    async def main():
        outside = depth_of(recurse)

        def sync():
            await_(asyncio.sleep(0))
            return depth_of(recurse)

        inside = [await with_portal_run_sync(sync)]
        await ensure_portal()
        inside.append(sync())
        # After an error of that kind, the count has to be right again.
        inside.append(sync())
        return outside, inside

    outside, inside = asyncio_library.run(main)
    # A few levels are the frames below. Where 3.12 counts C calls, it allows itself fewer of them
    # than fit on the stack, so there it may be deeper inside.
    assert all(depth >= outside - 12 for depth in inside), (outside, inside)
    if recurse is plain:
        assert all(depth <= outside + 12 for depth in inside), (outside, inside)


def test_recursion_through_await_ends_in_a_recursion_error(asyncio_library):
    async def main():
        await ensure_portal()
        depths = [depth_of(by_await) for _ in range(3)]
        await_(asyncio.sleep(0))
        assert len(set(depths)) == 1
        return depths[0]

    assert asyncio_library.run(main) > 100


def test_a_deep_stack_can_suspend_and_come_back(library):
    def sync(depth):
        if depth:
            return sync(depth - 1) + 1
        for _ in range(3):
            await_(library.checkpoint())
        return 0

    async def child():
        await ensure_portal()
        return sync(400)

    async def main():
        return await library.gather(*[child] * 20)

    assert library.run(main) == [400] * 20
