"""What goes on after an error, and portals that are awaited or resumed where they may not be."""

from __future__ import annotations

import asyncio
import threading

import pytest
from support.by_hand import trap
from support.coroutines import never
from support.threads import in_thread

from switchback import (
    NoPortalError,
    _engine,
    autoawait,
    await_,
    ensure_portal,
    with_portal_run,
    with_portal_run_sync,
)

pytestmark = pytest.mark.quick


def test_the_portal_and_the_loop_go_on_after_errors(library):
    @autoawait
    async def work(number):
        await library.checkpoint()
        return number

    async def child():
        await ensure_portal()
        total = 0
        for number in range(5):
            with pytest.raises(TypeError):
                await_(number)
            with pytest.raises(NoPortalError):
                in_thread(lambda: await_(never()))
            total += work(number)
        return total

    async def main():
        return await library.gather(*[child] * 5)

    assert library.run(main) == [10] * 5


@pytest.mark.threads
def test_a_call_resumed_in_another_thread_fails_and_its_portal_is_closed_in_its_own():
    def sync():
        try:
            await_(trap())
        finally:
            ended_in.append(threading.current_thread())

    ended_in = []
    coroutine = with_portal_run_sync(sync)
    assert coroutine.send(None) == "trap"
    with pytest.raises(
        RuntimeError, match=r"in thread 'MainThread', and can only.*not in thread 'the worker'"
    ):
        in_thread(lambda: coroutine.send(1))
    coroutine = None
    with pytest.raises(StopIteration):
        with_portal_run_sync(int).send(None)
    assert ended_in == [threading.current_thread()]


@pytest.mark.threads
def test_an_engine_portal_resumed_in_another_thread_is_refused_and_stays_usable():
    portal = _engine.open_call_portal(lambda: await_(trap()), ())
    assert portal.send(None) == "trap"
    for step in (lambda: portal.send(1), lambda: portal.throw(ValueError), portal.close):
        with pytest.raises(
            RuntimeError, match=r"in thread 'MainThread', and can only.*not in thread 'the worker'"
        ):
            in_thread(step)
    with pytest.raises(StopIteration) as stop:
        portal.send(5)
    assert stop.value.value == 5


def test_an_awaitable_that_is_awaited_already_is_refused(asyncio_library):
    async def slow():
        await asyncio.sleep(0.01)
        return 1

    async def main():
        coroutine = slow()
        task = asyncio.create_task(coroutine)
        await ensure_portal()
        with pytest.raises(RuntimeError, match="being awaited already"):
            await_(coroutine)
        assert await_(task) == 1
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await_(coroutine)

    asyncio_library.run(main)


async def waits_natively():
    await trap()


async def waits_in_a_call():
    await_(trap())


@pytest.mark.parametrize("async_fn", [waits_natively, waits_in_a_call])
def test_a_portal_that_is_awaited_already_is_refused_as_a_coroutine_is(async_fn):
    async def await_again(awaitable):
        await awaitable

    portal = _engine.open_portal(async_fn())
    owner = await_again(portal)
    assert owner.send(None) == "trap"
    for second in (await_again, lambda portal: with_portal_run_sync(await_, portal)):
        with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
            second(portal).send(None)
    with pytest.raises(StopIteration):
        owner.send(None)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await_again(portal).send(None)


def test_a_portal_of_a_sync_function_that_is_awaited_already_is_refused():
    async def await_again(awaitable):
        return await awaitable

    portal = _engine.open_call_portal(await_, (trap(),))
    owner = await_again(portal)
    assert owner.send(None) == "trap"
    with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
        await_again(portal).send(None)
    with pytest.raises(StopIteration) as stop:
        owner.send("answer")
    assert stop.value.value == "answer"


def test_with_portal_run_of_what_returns_no_awaitable(library):
    async def main():
        with pytest.raises(TypeError, match=r"can't be (used in 'await'|awaited)"):
            await with_portal_run(lambda: 5)
        await with_portal_run_sync(lambda: await_(library.checkpoint()))

    library.run(main)
