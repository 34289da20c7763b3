"""Portals that end while greenlets are suspended in them, and switches that are none of ours."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest
from support.greenlet_programs import check_program, greenlet, running_on
from support.greenlet_users import copies_stacks

from switchback import (
    NoPortalError,
    _engine,
    await_,
    with_portal_run,
    with_portal_run_sync,
)

pytestmark = [pytest.mark.imports_greenlet, copies_stacks, pytest.mark.unknown_minor]


def test_dropping_a_suspended_portal_runs_its_finally(backend):
    seen = []

    class Mark:
        pass

    def sync_fn(mark):
        try:
            await_(asyncio.sleep(1000))
        except GeneratorExit:
            seen.append("closed")
            raise
        finally:
            seen.append("finally")

    async def main():
        marks = []
        for _ in range(10):
            mark = Mark()
            marks.append(weakref.ref(mark))
            portal = with_portal_run_sync(sync_fn, mark).__await__()
            portal.send(None)
            del portal, mark
        gc.collect()
        return [mark() for mark in marks]

    assert asyncio.run(main()) == [None] * 10
    assert seen == ["closed", "finally"] * 10


def test_dropping_a_portal_that_is_suspended_in_a_nested_greenlet(backend):
    seen = []

    def nested():
        try:
            await_(asyncio.sleep(1000))
        except BaseException as error:
            seen.append(type(error).__name__)
            raise

    def sync_fn():
        try:
            greenlet.greenlet(nested).switch()
        finally:
            seen.append("outer")

    async def main():
        for _ in range(10):
            portal = with_portal_run_sync(sync_fn).__await__()
            portal.send(None)
            del portal
        gc.collect()

    asyncio.run(main())
    assert seen == ["GeneratorExit", "outer"] * 10


def test_a_nested_greenlet_that_outlives_its_step(backend):
    """It is kept, or dropped, when the portal that has started it has ended."""
    seen = []

    def nested():
        try:
            return greenlet.getcurrent().parent.switch("waits")
        finally:
            seen.append("ended")

    def begin():
        await_(asyncio.sleep(0))
        child = greenlet.greenlet(nested)
        assert child.switch() == "waits"
        await_(asyncio.sleep(0))
        return child

    async def main():
        child = await with_portal_run_sync(begin)
        child.parent = greenlet.getcurrent()
        assert child.switch("result") == "result"
        child = await with_portal_run_sync(begin)
        del child
        gc.collect()
        return await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on")))

    assert asyncio.run(main()) == "on"
    assert seen == ["ended"] * 2


@pytest.mark.threads
def test_threads_with_portals_end(backend):
    """Also where greenlets are suspended in it that nothing is ever going to resume."""

    def sync_fn():
        await_(asyncio.sleep(0))

    def wait():
        await_(asyncio.sleep(1000))

    def nested():
        greenlet.greenlet(wait).switch()
        await_(asyncio.sleep(1000))

    left = []

    def thread():
        async def main():
            await asyncio.gather(*[with_portal_run_sync(sync_fn) for _ in range(5)])
            for function in (wait, nested):
                portal = _engine.open_call_portal(function, ())
                portal.send(None)
                left.append(portal)

        asyncio.run(main())

    for _ in range(5):
        worker = threading.Thread(target=thread)
        worker.start()
        worker.join()
    gc.collect()
    assert len(left) == 10
    for portal in left:
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            portal.send(None)
    left.clear()
    gc.collect()

    async def main():
        return await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on")))

    assert asyncio.run(main()) == "on"


def test_a_foreign_greenlet_switches_to_the_resumer():
    """A greenlet of the portal's code switches to the one that waits for the step."""
    check_program(
        """
        import greenlet

        def sync_fn(resumer):
            await_(asyncio.sleep(0))
            # Not await_(): so the portal's step is abandoned in the middle.
            try:
                resumer.switch("what the portal does not expect")
            except BaseException:
                pass

        async def main():
            try:
                await with_portal_run_sync(sync_fn, greenlet.getcurrent())
            except RuntimeError as error:
                assert "a greenlet has switched" in str(error), error
            else:
                raise AssertionError("no error")
            for _ in range(3):
                assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on"))) == "on"

        asyncio.run(main())
        """,
        backend="greenlet",
    )


def test_a_foreign_greenlet_throws_into_the_resumer():
    check_program(
        """
        import greenlet

        def sync_fn(resumer):
            await_(asyncio.sleep(0))
            greenlet.greenlet(lambda: resumer.throw(KeyError("foreign"))).switch()

        async def main():
            try:
                await with_portal_run_sync(sync_fn, greenlet.getcurrent())
            except KeyError as error:
                assert error.args == ("foreign",)
            else:
                raise AssertionError("no error")
            for _ in range(3):
                assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on"))) == "on"

        asyncio.run(main())
        """,
        backend="greenlet",
    )


def test_await_in_a_greenlet_that_does_not_descend_from_the_portal(backend):
    """One that the loop's code has started, and that the portal's code switches to."""

    def foreign():
        try:
            await_(asyncio.sleep(0))
        except NoPortalError as error:
            return error

    async def main():
        child = greenlet.greenlet(foreign)  # a child of the main greenlet
        assert isinstance(child.switch(), NoPortalError)
        return await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on")))

    assert asyncio.run(main()) == "on"


def test_with_portal_run_on_each_backend(library, backend):
    async def main():
        await library.checkpoint()
        assert running_on() == backend
        await_(library.checkpoint())
        return "done"

    async def run():
        return await with_portal_run(main)

    assert library.run(run) == "done"
