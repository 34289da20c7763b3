"""What is particular to Trio: guest runs, trees and the instrument."""

from __future__ import annotations

import asyncio
import asyncio.tasks

import switchback
from switchback import (
    await_,
    ensure_portal,
    has_portal,
    with_portal_run_sync,
)


def test_guest_mode_on_asyncio(trio_library):
    import trio

    async def in_trio():
        await ensure_portal()
        for _ in range(5):
            await_(trio.sleep(0.001))
        assert trio_library.current_task() is trio.lowlevel.current_task()
        with trio.move_on_after(0.01) as scope:
            await_(trio.sleep_forever())
        assert scope.cancelled_caught
        return "trio"

    async def in_asyncio():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        trio.lowlevel.start_guest_run(
            in_trio,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=done.set_result,
        )
        await ensure_portal()
        for _ in range(5):
            await_(asyncio.sleep(0.001))
        return await_(_wait(done)).unwrap()

    async def _wait(future):
        return await future

    assert asyncio.run(in_asyncio()) == "trio"


def test_a_guest_run_started_from_sync_code_in_a_portal(trio_library):
    import trio

    async def in_trio():
        await ensure_portal()
        await_(trio.sleep(0.001))
        return "trio"

    def start():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        trio.lowlevel.start_guest_run(
            in_trio,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=done.set_result,
        )
        return await_(done).unwrap()

    assert asyncio.run(with_portal_run_sync(start)) == "trio"


def test_portals_for_tree_and_for_children(trio_library):
    import trio

    answers = {}

    async def note(name, children=0):
        answers[name] = has_portal()
        async with trio.open_nursery() as nursery:
            for number in range(children):
                nursery.start_soon(note, f"{name}.{number}")

    async def main():
        async with trio.open_nursery() as outer:
            with switchback.portals_for_children():
                assert not has_portal()
                outer.start_soon(note, "outer")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(note, "child", 2)
            async with switchback.portals_for_tree():
                assert has_portal()
                await_(trio.sleep(0))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(note, "tree", 1)
            assert not has_portal()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(note, "after")

    trio.run(main)
    assert answers == {
        "outer": False,
        "child": True,
        "child.0": True,
        "child.1": True,
        "tree": True,
        "tree.0": True,
        "after": False,
    }


def test_auto_portal_instrument_covers_the_whole_run(trio_library):
    import trio

    async def child():
        assert has_portal()
        await_(trio.sleep(0))

    async def main():
        assert has_portal()
        await_(trio.sleep(0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
        # A subtree of a covered run changes nothing about it.
        with switchback.portals_for_children():
            pass
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)

    trio.run(main, instruments=[switchback.AutoPortalInstrument()])


def test_with_portal_run_tree_as_the_main_function(trio_library):
    import trio

    async def child(depth):
        await_(trio.sleep(0))
        async with trio.open_nursery() as nursery:
            for _ in range(depth):
                nursery.start_soon(child, depth - 1)
        return "done"

    assert trio.run(switchback.with_portal_run_tree, child, 3) == "done"
