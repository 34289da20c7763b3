"""Trio: every task of a run has a portal, and run() awaits in the task."""

import pytest

import switchback
from switchback import await_, disable, enable, has_portal

trio = pytest.importorskip("trio")


async def has_one():
    assert has_portal()
    await_(trio.lowlevel.checkpoint())


async def may_have_one(seen):
    seen.append(has_portal())


async def started(task_status):
    await has_one()
    task_status.started("started")


def test_every_task_of_a_run():
    async def main(value):
        await has_one()
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(has_one)
            assert await nursery.start(started) == "started"
        done = trio.Event()

        async def system():
            await has_one()
            done.set()

        trio.lowlevel.spawn_system_task(system)
        await done.wait()
        assert trio.lowlevel.current_task().name.endswith("main")
        return value

    assert switchback.trio_run(main, 3) == 3
    seen = []
    trio.run(may_have_one, seen)
    assert seen == [False]


def test_instruments_and_options_of_trio_are_passed_on():
    spawned = []

    class Mine(trio.abc.Instrument):
        def task_spawned(self, task):
            spawned.append(task)

    async def main():
        await trio.sleep(1000)
        return has_portal()

    from trio.testing import MockClock

    clock = MockClock(autojump_threshold=0)
    assert switchback.trio_run(main, instruments=[Mine()], clock=clock)
    assert spawned


def test_enabled_from_within():
    seen, begun = [], None

    async def waits():
        assert not has_portal()
        begun.set()
        await trio.sleep(0.01)
        await has_one()

    async def main():
        nonlocal begun
        begun = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits)
            await begun.wait()
            enable()
            enable()
            nursery.start_soon(has_one)
            await trio.lowlevel.checkpoint()
            await has_one()
        disable()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(may_have_one, seen)
        with pytest.raises(TypeError, match="takes no loop in a Trio run"):
            switchback._frameworks._trio_portals.enable(3)

    trio.run(main)
    assert seen == [False]


def test_run_awaits_in_the_task():
    async def later(task):
        await trio.lowlevel.checkpoint()
        assert trio.lowlevel.current_task() is task
        return "later"

    async def main():
        return switchback.run(later(trio.lowlevel.current_task()))

    assert switchback.trio_run(main) == "later"


def test_a_tree_gives_portals_before_the_first_step():
    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(has_one)

    trio.run(switchback.with_portal_run_tree, main)
