"""Tasks with portals show the function of the user, whatever kind of task they are."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import io
import logging
import time

import pytest
from support.libraries import make_library

from switchback import (
    await_,
    bestow_portal,
    ensure_portal,
    has_portal,
    with_portal_run,
)


def test_task_attributes_show_the_users_function(asyncio_library):
    async def users_function():
        await_(asyncio.sleep(10))

    async def main():
        task = asyncio.create_task(users_function(), name="the task")
        original = task.get_coro()
        bestow_portal(task)
        for _ in range(2):
            assert "users_function()" in repr(task)
            assert task.get_coro().__name__ == "users_function"
            assert task.get_coro().__qualname__ == original.__qualname__
            assert task.get_coro().cr_code is users_function.__code__
            assert [frame.f_code.co_name for frame in task.get_stack()] == ["users_function"]
            text = io.StringIO()
            task.print_stack(file=text)
            assert "users_function" in text.getvalue()
            await asyncio.sleep(0)
        assert task.get_name() == "the task"
        assert task in asyncio.all_tasks()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert "users_function()" in repr(task)

    asyncio_library.run(main)


def test_trio_task_name_and_repr_show_the_users_function(trio_library):
    import trio

    async def users_function():
        task = trio_library.current_task()
        name, text = task.name, repr(task)
        await ensure_portal()
        assert task.name == name and repr(task) == text
        assert "users_function" in name
        assert task.coro.cr_frame.f_code is users_function.__code__

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(users_function)

    trio_library.run(main)


def test_trio_walks_the_coroutine_stack_of_a_bestowed_task(trio_library):
    import trio
    import trio.testing

    async def users_function(event):
        await event.wait()

    async def main():
        event = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(users_function, event)
            await trio.testing.wait_all_tasks_blocked()
            (task,) = nursery.child_tasks
            bestow_portal(task)
            names = [frame.f_code.co_name for frame, _ in task.iter_await_frames()]
            assert names[:2] == ["users_function", "wait"]
            event.set()

    trio_library.run(main)


@pytest.mark.parametrize("base", [asyncio.Task, asyncio.tasks._PyTask], ids=["C", "python"])
def test_subclasses_of_task(base):
    class Task(base):
        __slots__ = ("extra",)

    async def child():
        await ensure_portal()
        await_(asyncio.sleep(0))
        return type(asyncio.current_task())

    async def main():
        asyncio.get_running_loop().set_task_factory(
            lambda loop, coro, **kwargs: Task(coro, loop=loop, **kwargs)
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child()) for _ in range(3)]
        assert [task.result() for task in tasks] == [Task] * 3

    asyncio.run(main())


def test_a_task_of_a_portal_coroutine(asyncio_library):
    async def work():
        await_(asyncio.sleep(0))
        return 3

    async def main():
        task = asyncio.create_task(with_portal_run(work))
        assert "with_portal_run" in repr(task)
        return await task

    assert asyncio_library.run(main) == 3


@pytest.mark.parametrize("use_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_debug_mode_reports_the_users_coroutine_as_slow(use_uvloop, caplog):
    # Not so for the pure-Python Task, of which asyncio shows only a step.
    async def users_function():
        await ensure_portal()
        await_(asyncio.sleep(0))
        time.sleep(0.05)

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 0.02
        await asyncio.create_task(users_function())

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        make_library("uvloop" if use_uvloop else "asyncio").run(main)
    assert any("users_function" in record.message for record in caplog.records)


def test_debug_mode_works_with_portals(asyncio_library):
    async def child():
        await ensure_portal()
        await_(asyncio.sleep(0))
        return has_portal()

    async def main():
        asyncio.get_running_loop().set_debug(True)
        return await asyncio.gather(child(), child())

    assert asyncio_library.run(main) == [True, True]
