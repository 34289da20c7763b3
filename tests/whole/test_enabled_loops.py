"""Loops that are enabled: every task has a portal, and asyncio is as it was afterwards."""

import asyncio
import functools
import gc
import weakref

import anyio
import pytest
from support.libraries import UVLOOP
from support.whole import Sub, has_one, may_have_one, new_event_loop, ways_to_create

import switchback
from switchback import await_, disable, enable, has_portal
from switchback._frameworks import _asyncio_portals
from switchback._frameworks._asyncio_tasks import C_TASK, PY_TASK

pytestmark = pytest.mark.unknown_minor
needs_eager = pytest.mark.minor(since="3.12", reason="no eager tasks before 3.12")


@pytest.fixture(params=["asyncio", UVLOOP])
def loop_factory(request):
    return functools.partial(new_event_loop, request.param)


@pytest.fixture(autouse=True)
def leaves_asyncio_as_it_was():
    inits = [(kind, kind.__init__) for kind in (PY_TASK, Sub)]
    yield
    gc.collect()
    assert not _asyncio_portals._hooked
    assert [(kind, kind.__init__) for kind, _ in inits] == inits

    async def main():
        for way in ways_to_create().values():
            assert await way(asyncio.get_running_loop(), may_have_one()) in (False, [False])

    asyncio.run(main())


@pytest.fixture
def run(loop_factory):
    """Run a coroutine on a loop that is enabled from within."""

    def run(async_fn, *args):
        async def main():
            enable()
            return await asyncio.create_task(async_fn(*args))

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main())

    return run


@pytest.mark.parametrize("way", ways_to_create())
def test_every_way_to_create_a_task(run, way):
    create = ways_to_create()[way]

    async def main():
        loop = asyncio.get_running_loop()
        assert await create(loop, has_one()) in (True, [True])
        tasks = [create(loop, has_one()) for _ in range(50)]
        for task in tasks:
            assert await task in (True, [True])

    run(main)


def test_groups_timeouts_threads_callbacks_and_servers(run):
    async def served(reader, writer):
        writer.write(b"%d" % await has_one())
        writer.close()

    async def main():
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(has_one())
        assert task.result()
        assert await asyncio.wait_for(has_one(), 10)
        assert await asyncio.to_thread(
            lambda: asyncio.run_coroutine_threadsafe(has_one(), loop).result()
        )
        from_callback = loop.create_future()
        loop.call_soon(lambda: from_callback.set_result(loop.create_task(has_one())))
        assert await (await from_callback)
        server = await asyncio.start_server(served, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        assert await reader.read() == b"1"
        writer.close()
        server.close()

    run(main)


def test_an_anyio_task_group(run):
    async def started(*, task_status):
        assert await has_one()
        task_status.started()

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(has_one)
            await group.start(started)

    run(main)


def test_names_and_looks_are_those_of_the_user(run):
    async def main():
        task = asyncio.create_task(has_one())
        assert task.get_name().startswith("Task-")
        assert "has_one" in repr(task)
        assert asyncio.create_task(has_one(), name="mine").get_name() == "mine"
        assert asyncio.get_running_loop().get_task_factory() is None
        assert asyncio.current_task().get_coro().__qualname__.endswith("<locals>.main")

    run(main)


@pytest.mark.parametrize("before", [True, False])
def test_a_factory_of_the_program(loop_factory, before):
    created = []

    def factory(loop, coro, **options):
        created.append(Sub(coro, loop=loop, **options))
        return created[-1]

    async def main():
        loop = asyncio.get_running_loop()
        if before:
            loop.set_task_factory(factory)
        enable()
        loop.set_task_factory(factory)
        assert await asyncio.create_task(has_one())
        assert len(created) == 1
        assert loop.get_task_factory() is factory
        loop.set_task_factory(None)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


@needs_eager
def test_the_eager_factory_set_later():
    async def main():
        enable()
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        seen = []

        async def at_once():
            seen.append(has_portal())

        assert asyncio.create_task(at_once()).done()
        assert seen == [True]
        assert await asyncio.create_task(has_one())
        async with anyio.create_task_group() as group:
            group.start_soon(has_one)

    asyncio.run(main())


def test_tasks_that_exist_get_theirs(loop_factory):
    async def waits():
        assert not has_portal()
        await asyncio.sleep(0.01)
        return await_(asyncio.sleep(0, has_portal()))

    async def main():
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        enable()
        assert await task
        # The one that has called enable() had to yield once.
        return await_(asyncio.sleep(0, True))

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(main())


def test_a_loop_that_does_not_run_yet(loop_factory):
    loop = loop_factory()
    enable(loop)
    enable(loop)
    assert loop.run_until_complete(has_one())
    disable(loop)
    assert not loop.run_until_complete(may_have_one())
    disable(loop)
    loop.close()


def test_tasks_keep_their_portal_when_the_loop_is_disabled(run):
    async def main():
        disable()
        assert await_(asyncio.sleep(0, True))
        assert not await asyncio.create_task(may_have_one())

    run(main)


def test_another_loop_has_no_portals(run):
    async def main():
        assert not await asyncio.to_thread(asyncio.run, may_have_one())
        assert await asyncio.create_task(has_one())

    run(main)


def test_a_loop_that_is_dropped_is_not_enabled_any_more(loop_factory):
    loop = loop_factory()
    enable(loop)
    loop.close()
    dropped = weakref.ref(loop)
    del loop
    gc.collect()
    assert dropped() is None
    assert not _asyncio_portals._enabled


def test_what_is_no_coroutine_is_refused_as_ever(run):
    async def main():
        loop = asyncio.get_running_loop()
        for nothing in (1, None, len):
            with pytest.raises(TypeError, match="a coroutine was expected"):
                asyncio.Task(nothing, loop=loop)
        with pytest.raises(TypeError):
            asyncio.Task()
        with pytest.raises(TypeError):
            asyncio.Task(1, 2)

    run(main)


def test_wrong_use():
    with pytest.raises(RuntimeError, match=r"switchback\.enable\(loop\)"):
        enable()
    with pytest.raises(TypeError, match="expected an event loop of asyncio, not 'int'"):
        enable(3)
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="is closed"):
        enable(loop)


def test_a_loop_of_another_thread():
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
            await asyncio.to_thread(enable, loop)
        loop.call_soon(enable, loop)
        await asyncio.sleep(0)
        assert await asyncio.create_task(has_one())

    asyncio.run(main())


@pytest.mark.parametrize("way", ways_to_create())
def test_nothing_is_kept_of_a_task(way):
    create = ways_to_create()[way]
    gone = []

    async def child():
        return await_(asyncio.sleep(0, "done"))

    async def main():
        enable()
        coroutine = child()
        weakref.finalize(coroutine, gone.append, "coroutine")
        task = create(asyncio.get_running_loop(), coroutine)
        weakref.finalize(task, gone.append, "task")
        del coroutine
        await task
        del task
        await asyncio.sleep(0)
        gc.collect()
        assert sorted(gone) == ["coroutine", "task"]

    asyncio.run(main())


def test_in_debug_mode(loop_factory):
    async def main():
        enable()
        for kind in (asyncio.Task, PY_TASK):
            task = kind(has_one(), loop=asyncio.get_running_loop())
            assert task._source_traceback[-1].name == "main"
            await task

    with asyncio.Runner(loop_factory=loop_factory, debug=True) as runner:
        runner.run(main())


def test_where_the_engine_cannot_see_a_factory_stands_in(monkeypatch, loop_factory):
    monkeypatch.setattr(_asyncio_portals, "_obstacle", RuntimeError("not to be seen"))

    async def main():
        loop = asyncio.get_running_loop()
        assert loop.get_task_factory() is None
        enable()
        task = asyncio.create_task(has_one(), name="mine")
        assert task.get_name() == "mine"
        assert await task
        disable()
        assert loop.get_task_factory() is None

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


@pytest.mark.skipif(C_TASK is None, reason="asyncio is without its C Task")
def test_a_task_type_that_is_not_as_expected_is_refused():
    class Odd:
        def __init__(self):
            pass

    assert not _asyncio_portals._hooked
    for odd in (Odd, Sub, int):
        with pytest.raises(RuntimeError, match="does not initialize its tasks as is expected"):
            switchback._engine.hook_task_type(odd)
    with pytest.raises(TypeError):
        switchback._engine.hook_task_type(3)
    switchback._engine.hook_task_type(C_TASK)
    with pytest.raises(RuntimeError, match="hooked already"):
        switchback._engine.hook_task_type(C_TASK)
    switchback._engine.unhook_task_type()
    # It is as it was, and as is expected.
    switchback._engine.hook_task_type(C_TASK)
    switchback._engine.unhook_task_type()


def test_a_portal_is_left_as_it_is(run):
    async def main():
        portal = switchback._engine.open_portal(has_one())
        task = asyncio.Task(portal, loop=asyncio.get_running_loop())
        assert task.get_coro() is portal
        assert await task

    run(main)
