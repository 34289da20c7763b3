"""Trees of asyncio tasks beside task factories, eager tasks and other kinds of task."""

import asyncio

import anyio
import pytest
from support.trees import awaits, has_none, later

from switchback import (
    await_,
    has_portal,
    with_portal_run_tree,
)
from switchback._frameworks import _asyncio_portals


@pytest.fixture(autouse=True, params=["seen by the engine", "by a task factory"])
def made(request, monkeypatch):
    """Each way by which a tree gets to know of its tasks."""
    if request.param == "by a task factory":
        monkeypatch.setattr(_asyncio_portals, "_obstacle", RuntimeError("not to be seen"))


needs_eager = pytest.mark.minor(since="3.12", reason="no eager tasks before 3.12")


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
    def plain(loop, coro, **kwargs):
        return asyncio.Task(coro, loop=loop, **kwargs)

    async def main():
        loop = asyncio.get_running_loop()

        def factory(loop, coro, **kwargs):
            return inner(loop, coro, **kwargs)

        async def tree():
            nonlocal inner
            inner = loop.get_task_factory() or plain
            loop.set_task_factory(factory)
            await asyncio.create_task(awaits())

        inner = plain
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


@pytest.mark.minor(since="3.14", reason="no eager_start before 3.14")
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
    for module in (asyncio, asyncio.tasks):
        monkeypatch.setattr(module, "Task", asyncio.tasks._PyTask)

    async def tree():
        task = asyncio.create_task(awaits())
        assert type(task) is asyncio.tasks._PyTask
        assert await task == "done"

    asyncio.run(with_portal_run_tree(tree))
