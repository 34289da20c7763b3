"""Loops and coroutines that are run inside a portal's synchronous code."""

from __future__ import annotations

import asyncio

import pytest
from support.coroutines import Probe
from support.libraries import without_running_loop
from support.threads import in_thread

from switchback import (
    NoPortalError,
    await_,
    ensure_portal,
    has_portal,
    with_portal_run_sync,
)

pytestmark = pytest.mark.quick


def run_nested_asyncio(async_fn):
    loop = asyncio.new_event_loop()
    with without_running_loop():
        try:
            return loop.run_until_complete(async_fn())
        finally:
            loop.close()


def run_nested_trio(async_fn):
    return pytest.importorskip("trio").run(async_fn)


def checkpoint_of(runner):
    if runner is run_nested_asyncio:
        return asyncio.sleep(0)
    return pytest.importorskip("trio").lowlevel.checkpoint()


nested_runners = pytest.mark.parametrize(
    "runner", [run_nested_asyncio, run_nested_trio], ids=["asyncio", "trio"]
)


# uvloop and Trio both claim the wake-up descriptor of signals, about which Trio warns.
both_handle_signals = pytest.mark.filterwarnings("ignore:It looks like Trio's signal handling")


def outer_and_inner(library, runner):
    if library.name == "trio" and runner is run_nested_trio:
        pytest.skip("Trio runs in no other Trio run")


@both_handle_signals
@nested_runners
def test_a_nested_loops_task_without_a_portal_is_refused(library, runner):
    outer_and_inner(library, runner)

    async def inner():
        assert not has_portal()
        probe = Probe(checkpoint_of(runner))
        with pytest.raises(NoPortalError, match=r"ensure_portal\(\)"):
            await_(probe.coroutine())
        assert probe.started and probe.closed
        with pytest.raises(NoPortalError, match=r"ensure_portal\(\)"):
            await_(checkpoint_of(runner))
        await checkpoint_of(runner)
        return "inner"

    def sync():
        await_(library.checkpoint())
        assert has_portal()
        result = runner(inner)
        assert has_portal()
        await_(library.checkpoint())
        return result

    async def main():
        assert await with_portal_run_sync(sync) == "inner"
        await ensure_portal()
        assert sync() == "inner"

    library.run(main)


@both_handle_signals
@nested_runners
def test_a_nested_loops_task_with_a_portal_of_its_own_works(library, runner):
    outer_and_inner(library, runner)

    async def inner():
        await with_portal_run_sync(lambda: await_(checkpoint_of(runner)))
        assert not has_portal()
        await ensure_portal()
        assert has_portal()
        for _ in range(3):
            await_(checkpoint_of(runner))
        return "inner"

    def sync():
        await_(library.checkpoint())
        result = runner(inner)
        await_(library.checkpoint())
        return result

    async def main():
        assert await with_portal_run_sync(sync) == "inner"
        await ensure_portal()
        assert sync() == "inner"

    library.run(main)


@pytest.mark.threads
def test_asyncio_run_in_a_thread_of_a_portals_sync_code(library):
    async def inner(answers):
        answers.append(has_portal())
        with pytest.raises(NoPortalError, match="ensure_portal"):
            await_(asyncio.sleep(0))
        await ensure_portal()
        await_(asyncio.sleep(0))
        answers.append(has_portal())

    def sync():
        answers = []
        in_thread(lambda: asyncio.run(inner(answers)))
        await_(library.checkpoint())
        return answers

    assert library.run(with_portal_run_sync, sync) == [False, True]


def test_asyncio_run_inside_a_portal_is_refused_by_asyncio_alone():
    async def inner():
        raise AssertionError

    def sync():
        coroutine = inner()
        with pytest.raises(RuntimeError, match="running event loop"):
            asyncio.run(coroutine)
        coroutine.close()
        await_(asyncio.sleep(0))

    asyncio.run(with_portal_run_sync(sync))


def test_a_hand_driven_coroutine_inside_a_portal_waits_in_the_outer_loop(library):
    # No other task is current: as with `await`, whatever drives the coroutine is not asked.
    async def inner():
        await_(library.checkpoint())

    def sync():
        with pytest.raises(StopIteration):
            inner().send(None)

    library.run(with_portal_run_sync, sync)
