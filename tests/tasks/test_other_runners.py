"""Portals under runners that know nothing of them: by hand, curio, and a registered framework."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import importlib

import pytest
from support.by_hand import trap

import switchback
from switchback import (
    NoPortalError,
    await_,
    bestow_portal,
    ensure_portal,
    has_portal,
    with_portal_run,
    with_portal_run_sync,
)


def run_by_hand(coroutine, answer=lambda trap: trap):
    value = None
    while True:
        try:
            value = answer(coroutine.send(value))
        except StopIteration as stop:
            return stop.value


def test_a_hand_written_runner():
    async def awaited(value):
        return await trap(value) + 1

    async def function():
        return await_(awaited(1)) + await awaited(10)

    assert run_by_hand(with_portal_run(function)) == 13
    assert run_by_hand(with_portal_run_sync(lambda: await_(awaited(5)))) == 6
    assert not has_portal()


def test_hand_run_portals_interleave():
    def sync(number):
        return [await_(trap((number, step))) for step in range(3)]

    portals = [with_portal_run_sync(sync, number) for number in range(50)]
    traps = [portal.send(None) for portal in portals]
    for step in range(3):
        assert traps == [(number, step) for number in range(50)]
        if step < 2:
            # Not in the order of their suspension.
            for number in [*range(1, 50, 2), *range(48, -1, -2)]:
                traps[number] = portals[number].send(step)
    for portal in reversed(portals):
        with pytest.raises(StopIteration) as stop:
            portal.send(2)
        assert stop.value.value == [0, 1, 2]


def test_ensure_portal_under_a_hand_written_runner_names_the_remedy():
    with pytest.raises(RuntimeError, match="with_portal_run"):
        run_by_hand(ensure_portal())


def test_curio():
    try:
        curio = importlib.import_module("curio")
    except Exception as error:
        # curio 1.6 looks up what newer Pythons no longer have.
        pytest.skip(f"curio cannot be imported: {error!r}")

    async def work():
        await curio.sleep(0.001)
        return 4

    def sync():
        return await_(work()) + await_(curio.spawn(work)).id * 0

    async def main():
        assert await with_portal_run_sync(sync) == 4

    curio.run(main)


class ToyTask:
    def __init__(self, coroutine):
        self.coroutine = coroutine
        self.result = None
        self.done = False


class ToyLoop:
    """A round-robin scheduler, whose tasks yield nothing but None."""

    name = "toy"

    def __init__(self):
        self.running = None

    def run(self, *coroutines):
        tasks = [ToyTask(coroutine) for coroutine in coroutines]
        while not all(task.done for task in tasks):
            for task in tasks:
                if task.done:
                    continue
                outer, self.running = self.running, task
                try:
                    assert task.coroutine.send(None) is None
                except StopIteration as stop:
                    task.result, task.done = stop.value, True
                finally:
                    self.running = outer
        return [task.result for task in tasks]

    def current_task(self):
        return self.running

    def is_task(self, candidate):
        return isinstance(candidate, ToyTask)

    def check_replaceable(self, task):
        if task.done:
            raise RuntimeError("the task has finished")

    def get_coroutine(self, task):
        return task.coroutine

    def set_coroutine(self, task, coroutine):
        task.coroutine = coroutine

    async def checkpoint(self):
        await trap(None)


@pytest.fixture(scope="module")
def toy():
    # One for the module: a registration cannot be undone.
    loop = ToyLoop()
    switchback.register_framework(loop)
    switchback.register_framework(loop)
    return loop


def test_a_registered_framework(toy):
    async def child(number):
        assert not has_portal()
        with pytest.raises(NoPortalError, match="ensure_portal"):
            await_(toy.checkpoint())
        await ensure_portal()
        assert has_portal()
        for _ in range(number):
            await_(toy.checkpoint())
            await toy.checkpoint()
        return number

    assert toy.run(*[child(number) for number in range(6)]) == list(range(6))


def test_a_registered_frameworks_loop_inside_a_portal(toy):
    async def without_portal():
        with pytest.raises(NoPortalError, match="ensure_portal"):
            await_(toy.checkpoint())
        return "refused"

    async def with_one():
        await ensure_portal()
        await_(toy.checkpoint())
        return "worked"

    def sync():
        await_(asyncio.sleep(0))
        results = toy.run(without_portal(), with_one())
        await_(asyncio.sleep(0))
        return results

    assert asyncio.run(with_portal_run_sync(sync)) == ["refused", "worked"]
    assert toy.run(with_portal_run_sync(lambda: toy.run(without_portal(), with_one()))) == [
        ["refused", "worked"]
    ]


def test_bestow_portal_bestowed_on_a_toy_task_that_has_finished(toy):
    task = ToyTask(None)
    task.done = True
    with pytest.raises(RuntimeError, match="finished"):
        bestow_portal(task)
