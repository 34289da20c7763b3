"""Portals under each framework, kind of task and runner, and how they look from outside."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import collections.abc
import contextlib
import importlib
import inspect
import io
import logging
import sys
import time
import types

import pytest
from conftest import make_library

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

needs_eager_tasks = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="eager tasks are new in 3.12"
)


@types.coroutine
def trap(value):
    return (yield value)


# Any framework


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


# asyncio


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


def _run_eagerly(main):
    async def with_eager_tasks():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        return await main()

    return asyncio.run(with_eager_tasks())


@needs_eager_tasks
def test_ensure_portal_inside_the_eager_step():
    async def child():
        await ensure_portal()
        await_(asyncio.sleep(0))
        return has_portal()

    async def main():
        return await asyncio.gather(child(), child())

    assert _run_eagerly(main) == [True, True]


@needs_eager_tasks
def test_with_portal_run_inside_the_eager_step():
    async def work():
        await_(asyncio.sleep(0))
        return 1

    async def no_suspension():
        return 2

    async def main():
        first = asyncio.create_task(with_portal_run(work))
        second = asyncio.create_task(with_portal_run_sync(await_, no_suspension()))
        assert second.done()
        return await first + await second

    assert _run_eagerly(main) == 3


@needs_eager_tasks
def test_an_eager_child_of_sync_code_in_a_portal_has_no_portal():
    async def child():
        with pytest.raises(NoPortalError, match="none"):
            await_(asyncio.sleep(0))
        assert not has_portal()
        await asyncio.sleep(0)
        with pytest.raises(NoPortalError, match="none"):
            await_(asyncio.sleep(0))
        await ensure_portal()
        await_(asyncio.sleep(0))
        return "done"

    def sync():
        task = asyncio.create_task(child())
        assert has_portal()
        await_(asyncio.sleep(0))
        return await_(task)

    async def main():
        parent = asyncio.current_task()
        result = await with_portal_run_sync(sync)
        assert asyncio.current_task() is parent
        return result

    assert _run_eagerly(main) == "done"


@needs_eager_tasks
def test_an_eager_child_may_open_a_portal_inside_of_its_parents():
    async def work():
        await_(asyncio.sleep(0))
        await_(asyncio.sleep(0))
        return 5

    def sync():
        tasks = [asyncio.create_task(with_portal_run(work)) for _ in range(3)]
        await_(asyncio.sleep(0))
        return [await_(task) for task in tasks]

    async def main():
        return await with_portal_run_sync(sync)

    assert _run_eagerly(main) == [5, 5, 5]


# Trio


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


# Other runners


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


# The look of a portal


def open_example():
    async def example():
        await trap(1)

    return switchback._engine.open_portal(example())


def test_with_portal_run_returns_coroutines():
    async def nothing():
        pass

    for coroutine in (with_portal_run(nothing), with_portal_run_sync(print)):
        assert inspect.iscoroutine(coroutine)
        assert inspect.isawaitable(coroutine)
        coroutine.close()
    for function in (
        with_portal_run,
        with_portal_run_sync,
        ensure_portal,
        switchback.with_portal_run_tree,
    ):
        assert inspect.iscoroutinefunction(function)
    decorated = switchback.decorate_as_sync(lambda function: function)(nothing)
    assert inspect.iscoroutinefunction(decorated)


def test_a_portal_is_a_coroutine_for_the_abcs_and_for_asyncio():
    portal = open_example()
    assert isinstance(portal, collections.abc.Coroutine)
    assert isinstance(portal, collections.abc.Awaitable)
    assert asyncio.iscoroutine(portal)
    assert inspect.isawaitable(portal)
    portal.close()


def test_getcoroutinestate_of_a_portal():
    def sync():
        states.append(inspect.getcoroutinestate(portal))
        await_(trap(1))

    async def example():
        sync()
        await trap(2)

    states = []
    portal = switchback._engine.open_portal(example())
    assert inspect.getcoroutinestate(portal) == inspect.CORO_CREATED
    portal.send(None)
    assert states == [inspect.CORO_RUNNING]
    assert inspect.getcoroutinestate(portal) == inspect.CORO_SUSPENDED
    portal.send(None)
    assert inspect.getcoroutinestate(portal) == inspect.CORO_SUSPENDED
    with pytest.raises(StopIteration):
        portal.send(None)
    assert inspect.getcoroutinestate(portal) == inspect.CORO_CLOSED


def test_a_portal_refuses_what_a_coroutine_refuses():
    async def example():
        with pytest.raises(ValueError, match="already executing"):
            portal.send(None)
        with pytest.raises(ValueError, match="already executing"):
            portal.close()
        await_(trap(1))

    portal = switchback._engine.open_portal(example())
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        portal.send(1)
    assert portal.send(None) == 1
    with pytest.raises(StopIteration):
        portal.send(None)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        portal.send(None)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        portal.throw(ValueError)
    portal.close()


def test_throw_takes_what_a_coroutine_takes():
    class Error(Exception):
        pass

    def sync():
        caught = []
        for _ in range(3):
            try:
                await_(trap(None))
            except Error as error:
                caught.append(error.args)
        return caught

    portal = switchback._engine.open_call_portal(sync, ())
    portal.send(None)
    with pytest.raises(TypeError):
        portal.throw(1)
    portal.throw(Error(1))
    portal.throw(Error)
    with pytest.raises(StopIteration) as stop:
        portal.throw(Error(3))
    assert stop.value.value == [(1,), (), (3,)]
