"""Scopes and groups of Trio and anyio reach await_() as they would reach `await`."""

import pytest

from switchback import async_context, await_, with_portal_run_sync

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


anyio = pytest.importorskip("anyio")


trio = pytest.importorskip("trio")


# Trio


def test_a_trio_scope_outside_of_the_synchronous_part():
    log = []

    def run():
        try:
            await_(trio.sleep_forever())
        except trio.Cancelled:
            log.append("cancelled")
            raise

    async def main():
        with trio.move_on_after(0.001) as scope:
            await with_portal_run_sync(run)
        return scope.cancelled_caught

    assert trio.run(main)
    assert log == ["cancelled"]


def test_a_trio_scope_inside_of_the_synchronous_part():
    def run():
        with trio.move_on_after(0.001) as scope:
            await_(trio.sleep_forever())
        await_(trio.lowlevel.checkpoint())
        return scope.cancelled_caught

    assert trio.run(with_portal_run_sync, run)


def test_fail_after_outside_and_inside():
    def inside():
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.001):
            await_(trio.sleep_forever())
        await_(trio.sleep_forever())

    async def main():
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.005):
            await with_portal_run_sync(inside)

    trio.run(main)


def test_a_shielded_trio_scope_may_await_in_finally():
    log = []

    def run():
        try:
            await_(trio.sleep_forever())
        finally:
            with pytest.raises(trio.Cancelled):
                await_(trio.sleep(0))
            with trio.CancelScope(shield=True):
                await_(trio.sleep(0.001))
                log.append("cleaned up")

    async def main():
        with trio.move_on_after(0.001) as scope:
            await with_portal_run_sync(run)
        return scope.cancelled_caught

    assert trio.run(main)
    assert log == ["cleaned up"]


def test_a_trio_cancellation_may_be_caught_and_comes_again():
    log = []

    def run():
        for _ in range(3):
            try:
                await_(trio.sleep_forever())
            except trio.Cancelled:
                log.append("again")

    async def main():
        with trio.move_on_after(0.001):
            await with_portal_run_sync(run)

    trio.run(main)
    assert log == ["again"] * 3


def test_a_trio_nursery_inside_cancels_the_synchronous_part_when_a_child_fails():
    log = []

    async def fail():
        await trio.sleep(0.001)
        raise KeyError("failed")

    def run():
        with pytest.raises(ExceptionGroup) as caught:  # noqa: SIM117
            with async_context(trio.open_nursery()) as nursery:
                nursery.start_soon(fail)
                try:
                    await_(trio.sleep_forever())
                except trio.Cancelled:
                    log.append("cancelled")
                    raise
        await_(trio.sleep(0))
        return repr(caught.value.exceptions)

    assert trio.run(with_portal_run_sync, run) == "(KeyError('failed'),)"
    assert log == ["cancelled"]


def test_a_trio_nursery_inside_starts_tasks():
    async def child(task_status):
        await trio.sleep(0.001)
        task_status.started("started")
        await trio.sleep_forever()

    def run():
        with async_context(trio.open_nursery()) as nursery:
            value = await_(nursery.start(child))
            nursery.cancel_scope.cancel()
        return value

    assert trio.run(with_portal_run_sync, run) == "started"


def test_a_trio_nursery_around_portals_cancels_them():
    log = []

    def run(number):
        try:
            await_(trio.sleep_forever())
        finally:
            with trio.CancelScope(shield=True):
                await_(trio.sleep((number * 7 % 5) / 2000))
            log.append(number)

    async def main():
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(with_portal_run_sync, run, number)
            await trio.sleep(0.001)
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert sorted(log) == list(range(50))


def test_cancellation_through_nested_trio_levels():
    log = []

    def synchronous(level):
        try:
            await_(asynchronous(level - 1) if level else trio.sleep_forever())
        except trio.Cancelled:
            log.append(level)
            raise

    async def asynchronous(level):
        with trio.CancelScope():
            synchronous(level)

    async def main():
        with trio.move_on_after(0.001) as scope:
            await with_portal_run_sync(synchronous, 3)
        return scope.cancelled_caught

    assert trio.run(main)
    assert log == [0, 1, 2, 3]


# anyio, on either


def test_an_anyio_scope_outside_of_the_synchronous_part(library):
    log = []

    def run():
        try:
            await_(anyio.sleep(10))
        except anyio.get_cancelled_exc_class():
            log.append("cancelled")
            raise

    async def main():
        with anyio.move_on_after(0.001) as scope:
            await with_portal_run_sync(run)
        await anyio.sleep(0)
        return scope.cancelled_caught

    assert library.run(main)
    assert log == ["cancelled"]


def test_an_anyio_scope_inside_of_the_synchronous_part(library):
    def run():
        with anyio.move_on_after(0.001) as scope:
            await_(anyio.sleep(10))
        await_(anyio.sleep(0))
        return scope.cancelled_caught

    assert library.run(with_portal_run_sync, run)


def test_an_anyio_scope_that_fails_inside(library):
    def run():
        with pytest.raises(TimeoutError), anyio.fail_after(0.001):
            await_(anyio.sleep(10))
        await_(anyio.sleep(0))
        return "went on"

    assert library.run(with_portal_run_sync, run) == "went on"


def test_a_shielded_anyio_scope_may_await_in_finally(library):
    log = []

    def run():
        try:
            await_(anyio.sleep(10))
        finally:
            with anyio.CancelScope(shield=True):
                await_(anyio.sleep(0.001))
                log.append("cleaned up")

    async def main():
        with anyio.move_on_after(0.001) as scope:
            await with_portal_run_sync(run)
        return scope.cancelled_caught

    assert library.run(main)
    assert log == ["cleaned up"]


def test_an_anyio_task_group_inside_of_the_synchronous_part(library):
    async def fail():
        await anyio.sleep(0.001)
        raise KeyError("failed")

    def run():
        with pytest.raises(ExceptionGroup) as caught:  # noqa: SIM117
            with async_context(anyio.create_task_group()) as group:
                group.start_soon(fail)
                await_(anyio.sleep(10))
        await_(anyio.sleep(0))
        return repr(caught.value.exceptions)

    assert library.run(with_portal_run_sync, run) == "(KeyError('failed'),)"


def test_an_anyio_task_group_around_portals(library):
    log = []

    def run(number):
        try:
            await_(anyio.sleep(10))
        finally:
            log.append(number)

    async def main():
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(with_portal_run_sync, run, number)
            await anyio.sleep(0.001)
            group.cancel_scope.cancel()

    library.run(main)
    assert sorted(log) == list(range(20))


def test_anyio_scopes_of_interleaved_tasks_stay_apart(library):
    def run(number):
        with anyio.move_on_after(0.001 if number % 2 else 10) as scope:
            await_(anyio.sleep(0.002 if number % 2 == 0 else 10))
        return scope.cancelled_caught

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(20)]
        return await library.gather(*calls)

    assert library.run(main) == [number % 2 == 1 for number in range(20)]
