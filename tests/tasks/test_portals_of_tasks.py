"""A task has a portal of its own, under any framework, for as long as it was asked for."""

from __future__ import annotations

import contextlib

import pytest

import switchback
from switchback import (
    await_,
    bestow_portal,
    ensure_portal,
    has_portal,
    with_portal_run,
    with_portal_run_sync,
)


def test_a_portal_lasts_for_the_rest_of_the_task(library):
    async def main():
        assert not has_portal()
        await ensure_portal()
        assert has_portal()
        for _ in range(5):
            await_(library.checkpoint())
            await library.checkpoint()
        assert has_portal()

    library.run(main)


def test_a_portal_belongs_to_one_task_only(library):
    async def child():
        await library.checkpoint()
        return has_portal()

    async def main():
        await ensure_portal()
        assert await library.gather(child, child) == [False, False]

    library.run(main)


def test_the_current_task_is_the_same_inside(library):
    async def main():
        task = library.current_task()
        seen = []

        async def awaited():
            seen.append(library.current_task())
            await library.checkpoint()
            seen.append(library.current_task())

        def sync():
            seen.append(library.current_task())
            await_(awaited())
            seen.append(library.current_task())

        await with_portal_run_sync(sync)
        await ensure_portal()
        sync()
        assert len(seen) == 8
        assert all(found is task for found in seen)

    library.run(main)


def test_children_of_a_group_can_each_have_a_portal(library):
    async def child():
        await ensure_portal()
        for _ in range(3):
            await_(library.checkpoint())
        return library.current_task()

    async def main():
        return await library.gather(*[child] * 20)

    assert len({id(task) for task in library.run(main)}) == 20


def test_ensure_portal_twice_leaves_one_portal(library):
    async def main():
        await ensure_portal()
        await ensure_portal()
        await_(library.checkpoint())
        return await_(with_portal_run(nested))

    async def nested():
        return await_(with_portal_run_sync(lambda: await_(library.checkpoint()) or 7))

    assert library.run(main) == 7


def test_ensure_portal_inside_with_portal_run_does_not_outlast_it(library):
    async def inside():
        await ensure_portal()
        assert has_portal()

    async def main():
        await with_portal_run(inside)
        await library.checkpoint()
        return has_portal()

    assert library.run(main) is False


def test_bestow_portal_on_another_task(library):
    async def main():
        tasks = []
        bestowed = library.event()

        async def target():
            tasks.append(library.current_task())
            await bestowed.wait()
            await_(library.checkpoint())
            return has_portal()

        async def giver():
            while not tasks:
                await library.checkpoint()
            assert not has_portal(tasks[0])
            bestow_portal(tasks[0])
            assert has_portal(tasks[0])
            bestow_portal(tasks[0])
            bestowed.set()
            return has_portal()

        return await library.gather(target, giver)

    assert library.run(main) == [True, False]


def test_has_portal_of_a_task_that_is_inside_with_portal_run(library):
    async def main():
        tasks = []
        asked = library.event()

        async def target():
            tasks.append(library.current_task())
            await with_portal_run(asked.wait)

        async def asker():
            while not tasks:
                await library.checkpoint()
            answer = has_portal(tasks[0])
            asked.set()
            return answer

        return (await library.gather(target, asker))[1]

    assert library.run(main) is True


def test_ensure_portal_is_a_checkpoint_and_with_portal_run_is_none(asyncio_library):
    # Trio has a test of its own: it shuffles the order of its tasks.
    library = asyncio_library

    async def main():
        steps = []

        async def other():
            for _ in range(20):
                steps.append("other")
                await library.checkpoint()

        async def nothing():
            pass

        async def asker():
            await library.checkpoint()
            before = len(steps)
            await with_portal_run(nothing)
            await with_portal_run_sync(lambda: None)
            assert len(steps) == before
            await ensure_portal()
            assert len(steps) > before
            before = len(steps)
            await ensure_portal()
            assert len(steps) > before
            before = len(steps)
            await_(nothing())
            assert len(steps) == before

        await library.gather(asker, other)

    library.run(main)


def test_checkpoints_as_trio_sees_them(trio_library):
    testing = pytest.importorskip("trio.testing")

    async def nothing():
        pass

    async def main():
        with testing.assert_no_checkpoints():
            await with_portal_run(nothing)
            await with_portal_run_sync(lambda: None)
        with testing.assert_checkpoints():
            await ensure_portal()
        with testing.assert_checkpoints():
            await_(trio_library.checkpoint())
        with testing.assert_no_checkpoints():
            await_(nothing())

    trio_library.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(backend):
    anyio = pytest.importorskip("anyio")
    pytest.importorskip(backend)

    async def child(number, results):
        await ensure_portal()
        with switchback.async_context(_scope(anyio)) as scope:
            await_(anyio.sleep(10))
        assert scope.cancelled_caught
        await_(anyio.sleep(0))
        results.append(number)

    async def main():
        results = []
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(child, number, results)
        await ensure_portal()
        assert await_(anyio.to_thread.run_sync(lambda: 5)) == 5
        with pytest.raises(TimeoutError), anyio.fail_after(0.01):
            await_(anyio.sleep(10))
        return sorted(results)

    assert anyio.run(main, backend=backend) == list(range(10))


@contextlib.asynccontextmanager
async def _scope(anyio):
    with anyio.move_on_after(0.01) as scope:
        yield scope
