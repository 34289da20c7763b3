"""Greenlets of portals that are killed, or that go on when they should not."""

from __future__ import annotations

import asyncio

import pytest
from support.greenlet_programs import check_program, greenlet
from support.greenlet_users import copies_stacks

from switchback import (
    await_,
    with_portal_run_sync,
)

pytestmark = [pytest.mark.imports_greenlet, copies_stacks, pytest.mark.unknown_minor]


def test_a_nested_greenlet_is_killed_in_await(backend):
    """By code of the loop, while the portal is suspended: its own code sees GreenletExit."""
    nested = []
    seen = []

    def wait():
        nested.append(greenlet.getcurrent())
        try:
            await_(asyncio.sleep(1000))
        except greenlet.GreenletExit:
            seen.append("killed")
            raise

    def sync_fn():
        greenlet.greenlet(wait).switch()

    async def main():
        task = asyncio.create_task(with_portal_run_sync(sync_fn))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        nested[0].throw()
        task.cancel()
        await asyncio.wait([task])
        # The loop and other portals go on.
        assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "alive"))) == "alive"

    asyncio.run(main())
    assert seen == ["killed"]


@pytest.mark.parametrize("entrance", ["ensure_portal", "with_portal_run", "with_portal_run_sync"])
@pytest.mark.parametrize("exception", ["greenlet.GreenletExit", "ValueError"])
def test_a_portals_own_greenlet_is_killed_in_await(entrance, exception, on_greenlet):
    check_program(
        f"""
        import greenlet

        own = []
        seen = []
        woken = None

        def wait():
            own.append(greenlet.getcurrent())
            try:
                await_(woken)
            except BaseException as error:
                seen.append(type(error).__name__)
                raise

        async def call():
            wait()

        async def main(entrance):
            global woken
            woken = asyncio.get_running_loop().create_future()
            if entrance == "ensure_portal":
                async def run():
                    await ensure_portal()
                    wait()
                coroutine = run()
            elif entrance == "with_portal_run":
                coroutine = with_portal_run(call)
            else:
                coroutine = with_portal_run_sync(wait)
            task = asyncio.ensure_future(coroutine)
            while not own:
                await asyncio.sleep(0)
            try:
                own[0].throw({exception})
            except ValueError:
                pass
            woken.set_result(None)
            await asyncio.wait([task])
            assert seen == ["{exception.rpartition(".")[2]}"], seen
            assert isinstance(task.exception(), {exception}), task
            assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on"))) == "on"

        asyncio.run(main("{entrance}"))
        """,
        backend="greenlet",
    )


def test_a_greenlet_that_is_suspended_in_await_is_switched_to():
    """Which is an error in that await_(), whether the portal's own greenlet or another is meant."""
    check_program(
        """
        import greenlet

        suspended = []
        seen = []
        woken = None

        def wait():
            suspended.append(greenlet.getcurrent())
            try:
                await_(woken)
            except RuntimeError as error:
                seen.append(str(error))
                return "refused"

        def nested():
            return greenlet.greenlet(wait).switch()

        async def main():
            global woken
            for function in (wait, nested):
                suspended.clear()
                woken = asyncio.get_running_loop().create_future()
                task = asyncio.ensure_future(with_portal_run_sync(function))
                while not suspended:
                    await asyncio.sleep(0)
                suspended[0].switch("unexpected")
                woken.set_result(None)
                assert await task == "refused"
                assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on"))) == "on"
            assert len(seen) == 2 and "greenlet" in seen[0], seen

        asyncio.run(main())
        """,
        backend="greenlet",
    )


def test_a_killed_coroutine_that_awaits_again():
    """Its step cannot be suspended any more, as nobody waits for it: it is closed."""
    check_program(
        """
        import greenlet
        import types

        own = []
        seen = []

        @types.coroutine
        def trap():
            return (yield "trap")

        async def stubborn():
            for _ in range(3):
                try:
                    await trap()
                except GeneratorExit:
                    seen.append("closed")
                    raise
                except BaseException as error:
                    seen.append(type(error).__name__)
            return "done"

        def wait():
            own.append(greenlet.getcurrent())
            try:
                return await_(stubborn())
            except NoPortalError:
                return "refused"

        def resume(portal):
            try:
                portal.send(None)
            except StopIteration as stop:
                return stop.value
            except RuntimeError as error:
                return type(error).__name__

        portal = with_portal_run_sync(wait).__await__()
        assert portal.send(None) == "trap"
        own[0].throw()
        assert resume(portal) == "refused"
        assert seen == ["GreenletExit", "closed"], seen
        portal = with_portal_run_sync(wait).__await__()
        assert [next(portal), next(portal), next(portal)] == ["trap"] * 3
        assert resume(portal) == "done"
        """,
        backend="greenlet",
    )


def test_a_killed_portal_that_awaits_while_it_unwinds():
    check_program(
        """
        import greenlet

        own = []
        seen = []
        woken = None

        def wait():
            own.append(greenlet.getcurrent())
            try:
                await_(woken)
            finally:
                try:
                    await_(asyncio.sleep(0))
                except BaseException as error:
                    seen.append(type(error).__name__)
                else:
                    seen.append("awaited")

        async def main():
            global woken
            woken = asyncio.get_running_loop().create_future()
            task = asyncio.ensure_future(with_portal_run_sync(wait))
            while not own:
                await asyncio.sleep(0)
            own[0].throw()
            woken.set_result(None)
            await asyncio.wait([task])
            assert len(seen) == 1, seen
            assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on"))) == "on"

        asyncio.run(main())
        """,
        backend="greenlet",
    )


def test_a_portals_greenlet_killed_from_inside(backend):
    """GreenletExit passes through the step as any other exception that is not an Exception."""

    def sync_fn():
        await_(asyncio.sleep(0))
        raise greenlet.GreenletExit

    async def main():
        with pytest.raises(greenlet.GreenletExit):
            await with_portal_run_sync(sync_fn)
        return await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on")))

    assert asyncio.run(main()) == "on"
