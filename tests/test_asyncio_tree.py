"""Portals for trees of asyncio tasks."""

import asyncio
import contextvars
import gc
import sys
import threading
import weakref

import anyio
import pytest

import switchback
from switchback import (
    await_,
    has_portal,
    portals_for_children,
    portals_for_tree,
    with_portal_run_tree,
)
from switchback._frameworks import _asyncio_tasks, _asyncio_tree

uvloop = pytest.importorskip("uvloop", reason="not on Windows") if sys.platform != "win32" else None
EAGER = hasattr(asyncio, "eager_task_factory")
needs_eager = pytest.mark.skipif(not EAGER, reason="no eager tasks before 3.12")


@pytest.fixture(params=["asyncio", "uvloop", "asyncio, debug"])
def run(request):
    def run(coroutine):
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory, debug="debug" in request.param) as runner:
            result = runner.run(coroutine)
            assert runner.get_loop().get_task_factory() is None
            return result

    return run


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


def test_the_factory_of_the_program_creates_the_tasks():
    created = []

    class MyTask(asyncio.Task):
        pass

    def factory(loop, coro, **kwargs):
        created.append(MyTask(coro, loop=loop, **kwargs))
        return created[-1]

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        await with_portal_run_tree(tree)
        assert loop.get_task_factory() is factory
        await asyncio.create_task(has_none())
        return len(created)

    async def tree():
        task = asyncio.create_task(awaits())
        assert type(task) is MyTask
        assert await task == "done"

    assert asyncio.run(main()) == 2


def test_a_factory_need_not_be_a_function():
    class Factory:
        def __call__(self, loop, coro, **kwargs):
            return asyncio.Task(coro, loop=loop, **kwargs)

    async def main():
        loop = asyncio.get_running_loop()
        factory = Factory()
        loop.set_task_factory(factory)
        await with_portal_run_tree(tree)
        assert loop.get_task_factory() is factory

    async def tree():
        assert await asyncio.create_task(awaits()) == "done"

    asyncio.run(main())


def test_a_factory_set_meanwhile_stays():
    async def main():
        loop = asyncio.get_running_loop()

        def factory(loop, coro, **kwargs):
            return inner(loop, coro, **kwargs)

        async def tree():
            nonlocal inner
            inner = loop.get_task_factory()
            loop.set_task_factory(factory)
            await asyncio.create_task(awaits())

        inner = None
        await with_portal_run_tree(tree)
        assert loop.get_task_factory() is factory
        await asyncio.create_task(has_none())

    asyncio.run(main())


def test_a_factory_may_return_what_is_not_a_task():
    class Answer(asyncio.Future):
        def set_name(self, name):
            pass

    async def main():
        loop = asyncio.get_running_loop()

        def factory(loop, coro, **kwargs):
            coro.close()
            future = Answer(loop=loop)
            future.set_result("no task")
            return future

        loop.set_task_factory(factory)
        assert await with_portal_run_tree(tree) == "no task"
        loop.set_task_factory(None)

    async def tree():
        return await asyncio.get_running_loop().create_task(awaits())

    asyncio.run(main())


@needs_eager
@pytest.mark.parametrize("custom", [False, True])
def test_eager_tasks_have_portals_from_their_first_step_on(custom):
    factory = asyncio.eager_task_factory
    if custom:
        factory = asyncio.create_eager_task_factory(type("MyTask", (asyncio.Task,), {}))

    async def at_once():
        assert has_portal()
        return "done"

    async def main():
        asyncio.get_running_loop().set_task_factory(factory)
        await with_portal_run_tree(tree, 3)
        await asyncio.create_task(has_none())

    async def tree(depth):
        at_once_done = asyncio.create_task(at_once())
        assert at_once_done.done()
        assert at_once_done.result() == "done"
        task = asyncio.create_task(awaits(depth))
        assert not task.done()
        assert "awaits" in repr(task)
        assert await task == depth
        if depth:
            await asyncio.gather(tree(depth - 1), tree(depth - 1))

    asyncio.run(main())


@needs_eager
def test_eager_tasks_of_an_anyio_task_group():
    async def tree():
        async with anyio.create_task_group() as group:
            group.start_soon(awaits)
            group.start_soon(anyio.sleep, 0)
            await group.start(started)
        assert await asyncio.create_task(awaits()) == "done"

    async def started(*, task_status):
        await awaits()
        task_status.started()

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await with_portal_run_tree(tree)
        assert asyncio.get_running_loop().get_task_factory() is asyncio.eager_task_factory

    asyncio.run(main())


@pytest.mark.skipif(sys.version_info < (3, 14), reason="no eager_start before 3.14")
@pytest.mark.parametrize("eager", [False, True])
def test_eager_start(eager):
    begun = []

    async def child():
        begun.append(has_portal())
        return await_(later("done"))

    async def tree():
        task = asyncio.create_task(child(), eager_start=eager)
        assert begun == ([True] if eager else [])
        assert await task == "done"
        assert begun == [True]

    asyncio.run(with_portal_run_tree(tree))


def test_tasks_in_pure_python(monkeypatch):
    monkeypatch.setattr(asyncio, "Task", asyncio.tasks._PyTask)

    async def tree():
        task = asyncio.create_task(awaits())
        assert type(task) is asyncio.tasks._PyTask
        assert await task == "done"

    asyncio.run(with_portal_run_tree(tree))


def test_a_loop_in_another_thread_is_not_in_the_tree():
    async def other():
        await asyncio.create_task(has_none())
        await with_portal_run_tree(awaits)
        await asyncio.create_task(has_none())

    async def tree():
        await asyncio.to_thread(asyncio.run, other())
        await asyncio.create_task(awaits())

    asyncio.run(with_portal_run_tree(tree))
    assert threading.active_count() == 1


def test_a_task_that_cannot_be_given_a_portal_runs_without():
    class MyTask(asyncio.Task):
        def get_coro(self):
            return another

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **kwargs: MyTask(coro, loop=loop, **kwargs))
        await with_portal_run_tree(tree)

    async def tree():
        await asyncio.create_task(has_none())
        # Against the rules of asyncio, which says so in debug mode only.
        loop = asyncio.get_running_loop()
        task = await asyncio.to_thread(loop.create_task, later("done"))
        assert await task == "done"

    another = later("never")
    asyncio.run(main())
    another.close()


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
        length, link = 0, _asyncio_tree._tree.get()
        while link is not None:
            length, link = length + 1, link.outer
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


def test_where_tasks_cannot_be_given_portals(monkeypatch):
    if _asyncio_tasks._c_task is None:
        pytest.skip("tasks in pure Python can")
    monkeypatch.setattr(_asyncio_tasks, "_slot", RuntimeError("not found"))

    async def main():
        with pytest.raises(RuntimeError, match="this build of asyncio"):
            await with_portal_run_tree(awaits)
        assert asyncio.get_running_loop().get_task_factory() is None

    asyncio.run(main())
