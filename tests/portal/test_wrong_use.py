"""await_() where it cannot work: an error that names the remedy, and no harm to anything else."""

from __future__ import annotations

import asyncio

import pytest
from support.coroutines import Probe, never
from support.libraries import without_running_loop
from support.threads import in_thread

from switchback import (
    NoPortalError,
    await_,
    bestow_portal,
    ensure_portal,
    has_portal,
    with_portal_run_sync,
)

pytestmark = pytest.mark.quick


def test_without_a_loop():
    assert not has_portal()
    with pytest.raises(NoPortalError, match=r"switchback portal.*with_portal_run\(main\)"):
        await_(never())


def test_no_portal_error_is_a_runtime_error():
    assert issubclass(NoPortalError, RuntimeError)


def test_in_a_task_without_a_portal(library):
    async def main():
        with pytest.raises(NoPortalError, match=r"await ensure_portal|ensure_portal\(\)"):
            await_(never())
        await library.checkpoint()
        await ensure_portal()
        await_(library.checkpoint())

    library.run(main)


def test_after_with_portal_run_has_ended(library):
    async def main():
        await with_portal_run_sync(lambda: await_(library.checkpoint()))
        with pytest.raises(NoPortalError, match="with_portal_run"):
            await_(never())

    library.run(main)


def test_with_a_portal_that_is_not_active_yet(library):
    async def main():
        bestow_portal(library.current_task())
        assert not has_portal()
        assert not has_portal(library.current_task())
        with pytest.raises(NoPortalError, match="must yield to the event loop"):
            await_(never())
        await library.checkpoint()
        assert has_portal()
        await_(library.checkpoint())

    library.run(main)


def test_what_cannot_be_awaited_is_a_type_error(library):
    async def main():
        await ensure_portal()
        with pytest.raises(TypeError, match=r"int.* can't be (used in 'await'|awaited)"):
            await_(42)
        with pytest.raises(TypeError, match=r"can't be (used in 'await'|awaited)"):
            await_(never)
        await_(library.checkpoint())

    library.run(main)


@pytest.mark.threads
def test_in_a_worker_thread(asyncio_library):
    async def main():
        await ensure_portal()
        with pytest.raises(NoPortalError, match=r"run_coroutine_threadsafe"):
            await_(asyncio.to_thread(lambda: await_(never())))
        with pytest.raises(NoPortalError, match="'the worker'"):
            in_thread(lambda: await_(never()))
        assert not in_thread(has_portal)
        await_(asyncio.sleep(0))

    asyncio_library.run(main)


@pytest.mark.threads
def test_in_a_worker_thread_of_trio(trio_library):
    import trio

    async def main():
        await ensure_portal()
        with pytest.raises(NoPortalError, match=r"trio\.from_thread\.run"):
            await_(trio.to_thread.run_sync(lambda: await_(never())))
        await_(trio.sleep(0))

    trio_library.run(main)


def test_in_a_callback(asyncio_library):
    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def callback():
            assert not has_portal()
            try:
                await_(never())
            except NoPortalError as error:
                done.set_result(str(error))

        await ensure_portal()
        loop.call_soon(callback)
        assert "switchback.callback(function)" in await_(done)

    asyncio_library.run(main)


def test_in_a_callback_called_from_a_portal(asyncio_library):
    # A loop that is run by hand inside a portal: no task is the current one in its callbacks.
    def sync():
        loop = asyncio.new_event_loop()
        errors = []

        def callback():
            probe = Probe(asyncio.sleep(0))
            try:
                await_(probe.coroutine())
            except NoPortalError as error:
                errors.append((str(error), probe.closed))
            loop.stop()

        loop.call_soon(callback)
        with without_running_loop():
            loop.run_forever()
            loop.close()
        await_(asyncio.sleep(0))
        return errors

    [(text, closed)] = asyncio_library.run(with_portal_run_sync, sync)
    assert "portal" in text
    assert closed
