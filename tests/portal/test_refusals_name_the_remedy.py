"""What is said where await_() or a portal is used wrongly: each text names what to do instead."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect

import pytest

import switchback
from switchback import NoPortalError, await_, with_portal_run, with_portal_run_sync


async def work():
    await asyncio.sleep(0)
    return 5


def test_an_async_function_that_was_not_called_is_named():
    async def main():
        with pytest.raises(TypeError, match=r"call it: await_\(work\(\.\.\.\)\)$") as caught:
            await_(work)
        return str(caught.value)

    async def native():
        with pytest.raises(TypeError) as caught:
            await work
        return str(caught.value)

    text = asyncio.run(with_portal_run(main))
    assert text.startswith(asyncio.run(native()))


def test_a_future_of_threads_is_to_be_wrapped():
    def main():
        with pytest.raises(TypeError, match=r"asyncio\.wrap_future"):
            await_(concurrent.futures.Future())

    asyncio.run(with_portal_run_sync(main))


def test_what_is_neither_has_the_message_of_await():
    def main():
        with pytest.raises(TypeError) as caught:
            await_([])
        return str(caught.value)

    text = asyncio.run(with_portal_run_sync(main))
    assert "list" in text
    assert "call it" not in text


@pytest.mark.parametrize("function", [work, functools.partial(work)])
@pytest.mark.parametrize("inside", [False, True])
def test_an_async_function_is_refused_by_what_runs_synchronous_ones(function, inside):
    async def main():
        with pytest.raises(TypeError, match=r"with_portal_run\(work, \.\.\.\)"):
            await with_portal_run_sync(function)

    asyncio.run(with_portal_run(main) if inside else main())


def test_a_synchronous_function_may_return_a_coroutine():
    async def main():
        coroutine = await with_portal_run_sync(lambda: work())
        assert inspect.getcoroutinestate(coroutine) == "CORO_CREATED"
        return await coroutine

    assert asyncio.run(main()) == 5


def test_a_task_without_a_portal_is_told_of_portals_for_programs():
    async def main():
        with pytest.raises(NoPortalError, match=r"with_portal_run_tree\(main\)"):
            await_(work())

    asyncio.run(main())


@pytest.mark.threads
def test_a_thread_of_a_pool_is_told_that_it_is_one():
    async def main():
        with pytest.raises(NoPortalError, match="pool of threads") as caught:
            await asyncio.to_thread(lambda: await_(work()))
        return str(caught.value)

    text = asyncio.run(with_portal_run(main))
    assert "with_portal_run_sync(fn)" in text


def test_another_thread_is_not_told_so():
    with pytest.raises(NoPortalError) as caught:
        await_(work())
    assert "pool" not in str(caught.value)


def test_the_main_function_of_a_tree_gives_the_task_its_name():
    async def user_main():
        return asyncio.current_task().get_coro().__qualname__, repr(asyncio.current_task())

    name, text = asyncio.run(switchback.with_portal_run_tree(user_main))
    assert name.endswith("user_main")
    assert "user_main" in text
    name, text = asyncio.run(switchback.with_portal_run_tree(functools.partial(user_main)))
    assert name.endswith("user_main")


def test_the_main_function_of_a_tree_gives_a_trio_task_its_name():
    trio = pytest.importorskip("trio")

    async def user_main():
        return trio.lowlevel.current_task().name

    name = trio.run(switchback.with_portal_run_tree, user_main)
    assert name == f"{__name__}.{user_main.__qualname__}"


def test_a_task_that_calls_a_tree_keeps_its_name():
    async def user_main():
        return asyncio.current_task().get_coro().__qualname__

    async def outermost():
        return await switchback.with_portal_run_tree(user_main)

    assert asyncio.run(outermost()).endswith("outermost")
