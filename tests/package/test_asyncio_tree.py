"""Portals for trees of asyncio tasks: which tasks have one, and what leaves the tree."""

import asyncio
import contextvars
import sys

import pytest
from support.libraries import UVLOOP
from support.trees import awaits, has_none, later

import switchback
from switchback import (
    await_,
    has_portal,
    portals_for_children,
    portals_for_tree,
    with_portal_run_tree,
)

uvloop = pytest.importorskip("uvloop", reason="not on Windows") if sys.platform != "win32" else None


@pytest.fixture(params=["asyncio", UVLOOP, "asyncio, debug"])
def run(request):
    def run(coroutine):
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory, debug="debug" in request.param) as runner:
            result = runner.run(coroutine)
            assert runner.get_loop().get_task_factory() is None
            return result

    return run


def test_a_whole_program(run):
    async def child(depth):
        assert await_(later(depth)) == depth
        if depth == 0:
            return 1
        async with asyncio.TaskGroup() as group:
            children = [group.create_task(child(depth - 1)) for _ in range(depth)]
        return sum(task.result() for task in children)

    assert run(with_portal_run_tree(child, 4)) == 24


def test_every_way_to_create_a_task(run):
    async def main():
        loop = asyncio.get_running_loop()
        assert await asyncio.create_task(awaits()) == "done"
        assert await loop.create_task(awaits()) == "done"
        assert await asyncio.gather(awaits(1), awaits(2)) == [1, 2]
        assert await asyncio.wait_for(awaits(), 10) == "done"
        assert await asyncio.shield(awaits()) == "done"
        named = asyncio.create_task(awaits(), name="it", context=contextvars.Context())
        assert named.get_name() == "it"
        assert await named == "done"
        from_callback = loop.create_future()
        loop.call_soon(lambda: from_callback.set_result(loop.create_task(awaits())))
        assert await (await from_callback) == "done"

        def in_thread():
            return asyncio.run_coroutine_threadsafe(awaits(), loop).result()

        assert await asyncio.to_thread(in_thread) == "done"

    run(with_portal_run_tree(main))


def test_a_result_an_exception_and_a_cancellation_get_out(run):
    async def fails():
        await asyncio.create_task(awaits())
        raise LookupError("mine")

    async def waits(task):
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.create_task(asyncio.sleep(10))

    async def main():
        with pytest.raises(LookupError, match="mine"):
            await with_portal_run_tree(fails)
        task = asyncio.current_task()
        with pytest.raises(asyncio.CancelledError):
            await with_portal_run_tree(waits, task)
        task.uncancel()
        return await with_portal_run_tree(awaits, "result")

    assert run(main()) == "result"


def test_tasks_outside_of_the_tree_get_none(run):
    async def main():
        inside, left = asyncio.Event(), asyncio.Event()

        async def tree():
            inside.set()
            await asyncio.create_task(awaits())
            await left.wait()

        task = asyncio.create_task(with_portal_run_tree(tree))
        await inside.wait()
        await asyncio.create_task(has_none())
        await asyncio.gather(has_none(), has_none())
        left.set()
        await task
        await asyncio.create_task(has_none())

    run(main())


def test_what_outlives_the_tree_gives_no_more_portals(run):
    async def main():
        ended = asyncio.Event()

        async def survivor():
            assert has_portal()
            await ended.wait()
            await awaits()
            await asyncio.create_task(has_none())

        async def tree():
            return asyncio.create_task(survivor())

        async def another_tree():
            # The factory is in use, for this tree alone.
            ended.set()
            await task
            await asyncio.create_task(awaits())

        task = await with_portal_run_tree(tree)
        await with_portal_run_tree(another_tree)

    run(main())


def test_a_tree_inside_a_tree(run):
    async def main():
        begun, outer_ended = asyncio.Event(), asyncio.Event()

        async def inner():
            begun.set()
            await asyncio.create_task(awaits())
            await outer_ended.wait()
            await asyncio.create_task(awaits())
            return asyncio.create_task(grandchild())

        async def grandchild():
            assert has_portal()
            await asyncio.sleep(0)
            await asyncio.create_task(has_none())

        async def outer():
            # One that ends first, and one that goes on.
            await with_portal_run_tree(awaits)
            await asyncio.create_task(awaits())
            task = asyncio.create_task(with_portal_run_tree(inner))
            await begun.wait()
            return task

        task = await with_portal_run_tree(outer)
        outer_ended.set()
        await (await task)
        assert asyncio.get_running_loop().get_task_factory() is None

    run(main())


def test_children_of_an_inner_tree_are_in_the_outer_one(run):
    async def main():
        ended = asyncio.Event()

        async def child():
            await ended.wait()
            await asyncio.create_task(awaits())

        async def inner():
            return asyncio.create_task(child())

        async def outer():
            task = await with_portal_run_tree(inner)
            ended.set()
            await task

        await with_portal_run_tree(outer)

    run(main())


def test_trees_side_by_side(run):
    async def tree(number):
        for _ in range(number):
            await asyncio.gather(*(asyncio.create_task(awaits()) for _ in range(number)))

    async def main():
        await asyncio.gather(*(with_portal_run_tree(tree, n) for n in range(10)))
        await asyncio.create_task(has_none())

    run(main())


def test_portals_for_children_are_for_children_only(run):
    async def main():
        with portals_for_children():
            await has_none()
            await asyncio.create_task(awaits())
        await asyncio.create_task(has_none())

    run(main())


def test_portals_for_tree(run):
    async def main():
        await has_none()
        async with portals_for_tree():
            await awaits()
            await asyncio.create_task(awaits())
        await has_none()
        await asyncio.create_task(has_none())
        with pytest.raises(LookupError):
            async with portals_for_tree():
                await awaits()
                raise LookupError
        await has_none()
        await switchback.ensure_portal()
        async with portals_for_tree():
            await awaits()
        await awaits()

    run(main())


@pytest.mark.parametrize("at", ["entry", "exit"])
def test_portals_for_tree_cancelled(run, at):
    async def main():
        task = asyncio.current_task()
        if at == "entry":
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with portals_for_tree():
                assert at == "exit"
                await awaits()
                task.cancel()
        task.uncancel()
        await asyncio.sleep(0)
        await has_none()
        await asyncio.create_task(has_none())

    run(main())
