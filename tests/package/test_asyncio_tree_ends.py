"""Trees of asyncio tasks leave nothing behind, and refuse what they cannot do."""

import asyncio
import gc
import threading
import weakref

import pytest
from support.trees import awaits, generator_of_a_tree, has_none, later

from switchback import (
    portals_for_children,
    with_portal_run_tree,
)
from switchback._frameworks import _asyncio_portals


@pytest.mark.threads
def test_a_loop_in_another_thread_is_not_in_the_tree():
    async def other():
        await asyncio.create_task(has_none())
        await with_portal_run_tree(awaits)
        await asyncio.create_task(has_none())

    async def tree():
        await asyncio.to_thread(asyncio.run, other())
        await asyncio.create_task(awaits())

    before = threading.active_count()
    asyncio.run(with_portal_run_tree(tree))
    assert threading.active_count() == before


def test_a_task_that_tells_of_another_coroutine_has_a_portal():
    class MyTask(asyncio.Task):
        def get_coro(self):
            return another

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **kwargs: MyTask(coro, loop=loop, **kwargs))
        await with_portal_run_tree(tree)

    async def tree():
        await asyncio.create_task(awaits())
        # Against the rules of asyncio, which says so in debug mode only.
        loop = asyncio.get_running_loop()
        task = await asyncio.to_thread(loop.create_task, awaits())
        assert await task == "done"

    another = later("never")
    asyncio.run(main())
    another.close()


@pytest.mark.not_under(
    "leak", reason="ends before its coroutine begins where a collection takes no time"
)
def test_a_tree_that_has_ended_keeps_nothing():
    released = threading.Event()
    background = asyncio.new_event_loop()
    thread = threading.Thread(target=background.run_forever)
    thread.start()

    async def waits():
        await asyncio.to_thread(released.wait)

    async def tree():
        asyncio.run_coroutine_threadsafe(waits(), background)
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(with_portal_run_tree(tree))
    gc.collect()
    is_gone = loop() is None
    released.set()
    background.call_soon_threadsafe(background.stop)
    thread.join()
    background.close()
    assert is_gone


def test_trees_that_follow_one_another_are_not_chained():
    async def tree(rest):
        length, link = 0, _asyncio_portals.tree_here.get()
        while link is not None:
            length, link = length + 1, link[1]
        assert length <= 2
        if rest > 0:
            return asyncio.create_task(with_portal_run_tree(tree, rest - 1))

    async def main():
        task = await with_portal_run_tree(tree, 50)
        while task is not None:
            task = await task

    asyncio.run(main())


def test_trees_left_in_the_order_in_which_they_were_entered():
    async def main():
        first, second = generator_of_a_tree(), generator_of_a_tree()
        await anext(first)
        await anext(second)
        await first.aclose()
        await asyncio.create_task(awaits())
        await second.aclose()
        await asyncio.create_task(has_none())
        assert asyncio.get_running_loop().get_task_factory() is None

    asyncio.run(main())


def test_debug_mode_tells_where_a_task_was_created():
    async def tree():
        task = asyncio.create_task(awaits())
        await task
        return task._source_traceback[-2:]

    async def main():
        task = asyncio.create_task(later("done"))
        await task
        assert [entry.name for entry in task._source_traceback[-2:]] == ["main", "create_task"]
        inside = await with_portal_run_tree(tree)
        assert [entry.name for entry in inside] == ["tree", "create_task"]

    asyncio.run(main(), debug=True)


def test_a_tree_left_in_another_context():
    async def main():
        generator = generator_of_a_tree()
        await anext(generator)
        await asyncio.create_task(awaits())
        await asyncio.create_task(generator.aclose())
        await asyncio.create_task(has_none())
        assert asyncio.get_running_loop().get_task_factory() is None

    asyncio.run(main())


def test_outside_of_tasks():
    with (
        pytest.raises(RuntimeError, match=r"ensure_portal\(\) in each task"),
        portals_for_children(),
    ):
        raise AssertionError
    coroutine = with_portal_run_tree(awaits)
    with pytest.raises(RuntimeError, match="tasks of asyncio and Trio"):
        coroutine.send(None)
