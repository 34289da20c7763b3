"""Synchronous calls that wait stand in the chain of coroutines that libraries look along."""

from __future__ import annotations

import asyncio

import pytest

from switchback import _engine, await_, ensure_portal, with_portal_run_sync


class Waits:
    def __await__(self):
        yield


async def leaf(waits):
    await waits


def inner(waits):
    return sorted([1], key=lambda _: await_(leaf(waits)))


def middle(waits):
    return inner(waits)


async def outer(waits):
    middle(waits)


def chain(link):
    """What is found along cr_await: names of frames, from the outermost on."""
    names = []
    while link is not None and hasattr(link, "cr_await"):
        names.append(link.cr_frame.f_code.co_name)
        link = link.cr_await
    return names


def test_a_chain_has_the_calls_of_a_coroutine():
    portal = _engine.open_portal(outer(Waits()))
    portal.send(None)
    assert chain(portal) == ["outer", "middle", "inner", "<lambda>", "leaf"]
    call = portal.cr_await
    assert (call.__name__, call.__qualname__, call.cr_running) == ("middle", "middle", False)
    assert (call.cr_suspended, call.cr_origin) == (True, None)
    assert call.cr_code is middle.__code__
    assert repr(call) == "<call of middle that waits in await_()>"
    assert _engine.awaited(portal).__name__ == "leaf"
    portal.close()
    assert _engine.awaited(portal) is portal.cr_await is portal.cr_frame is None


def test_a_chain_has_the_calls_of_a_function():
    portal = _engine.open_call_portal(middle, (Waits(),))
    assert portal.cr_frame is None
    portal.send(None)
    assert chain(portal) == ["middle", "inner", "<lambda>", "leaf"]
    portal.close()


def test_only_a_portal_is_looked_into():
    with pytest.raises(TypeError, match="expected a portal, not int"):
        _engine.awaited(5)


async def in_task(waits):
    await ensure_portal()
    await asyncio.sleep(0)
    middle(waits)


async def in_call(waits):
    await with_portal_run_sync(middle, waits)


def test_trio_iterates_over_the_frames_of_calls(trio_library):
    import trio
    import trio.testing

    async def in_trio_task(event):
        await ensure_portal()
        await trio.lowlevel.checkpoint()
        sorted([1], key=lambda _: await_(event.wait()))

    async def in_trio_call(event):
        await with_portal_run_sync(lambda: await_(event.wait()))

    async def main():
        for function, expected in (
            (in_trio_task, ["in_trio_task", "<lambda>", "wait"]),
            (in_trio_call, ["in_trio_call", "with_portal_run_sync", "<lambda>", "wait"]),
        ):
            event = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(function, event)
                await trio.testing.wait_all_tasks_blocked()
                (task,) = nursery.child_tasks
                names = [frame.f_code.co_name for frame, _ in task.iter_await_frames()]
                assert names[: len(expected)] == expected
                assert function.__qualname__ in task.name
                event.set()

    trio_library.run(main)


@pytest.mark.minor(since="3.14", reason="asyncio shows call graphs from there on")
@pytest.mark.parametrize("async_fn", [in_task, in_call])
def test_asyncios_call_graph_has_the_calls(async_fn):
    async def main():
        future = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(async_fn(future))
        for _ in range(4):
            await asyncio.sleep(0)
        graph = asyncio.capture_call_graph(task)
        text = asyncio.format_call_graph(task)
        future.set_result(None)
        await task
        return [entry.frame.f_code.co_name for entry in graph.call_stack][::-1], text

    names, text = asyncio.run(main())
    assert names[0] == async_fn.__name__
    assert names[-4:] == ["middle", "inner", "<lambda>", "leaf"]
    assert "inner()" in text


def test_anyio_tells_the_name_of_a_task_and_which_waits():
    anyio = pytest.importorskip("anyio")

    async def main():
        event = anyio.Event()

        async def users_function():
            await ensure_portal()
            await anyio.lowlevel.checkpoint()
            await_(event.wait())

        async with anyio.create_task_group() as group:
            group.start_soon(users_function)
            await anyio.wait_all_tasks_blocked()
            names = [task.name for task in anyio.get_running_tasks()]
            [task] = [one for one in anyio.get_running_tasks() if "users_function" in one.name]
            assert _engine.is_portal(task.coro)
            event.set()
        assert any("users_function" in name for name in names)

    anyio.run(main)
