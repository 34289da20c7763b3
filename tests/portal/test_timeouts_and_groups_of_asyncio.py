"""Timeouts and task groups of asyncio, around the synchronous part and inside of it."""

import asyncio
import sys

import pytest

from switchback import async_context, await_, with_portal_run_sync

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


def test_a_timeout_outside_of_the_synchronous_part(asyncio_library):
    log = []

    def run():
        try:
            await_(asyncio.sleep(10))
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await with_portal_run_sync(run)
        return asyncio.current_task().cancelling()

    assert asyncio_library.run(main) == 0
    assert log == ["cancelled"]


def test_a_timeout_inside_of_the_synchronous_part(asyncio_library):
    def run():
        with pytest.raises(TimeoutError), async_context(asyncio.timeout(0.001)):
            await_(asyncio.sleep(10))
        await_(asyncio.sleep(0))
        return asyncio.current_task().cancelling()

    assert asyncio_library.run(with_portal_run_sync, run) == 0


def test_the_inner_of_two_timeouts_expires_alone(asyncio_library):
    def run():
        with async_context(asyncio.timeout(10)) as outer:
            with pytest.raises(TimeoutError), async_context(asyncio.timeout(0.001)) as inner:
                await_(asyncio.sleep(10))
            await_(asyncio.sleep(0))
        return outer.expired(), inner.expired()

    assert asyncio_library.run(with_portal_run_sync, run) == (False, True)


def test_the_outer_of_two_timeouts_passes_the_inner(asyncio_library):
    log = []

    def run():
        try:
            with async_context(asyncio.timeout(10)):
                await_(asyncio.sleep(10))
        except BaseException as error:
            log.append(type(error))
            raise

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await with_portal_run_sync(run)

    asyncio_library.run(main)
    assert log == [asyncio.CancelledError]


def test_wait_for_outside_of_the_synchronous_part(asyncio_library):
    def run():
        await_(asyncio.sleep(10))

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(with_portal_run_sync(run), 0.001)

    asyncio_library.run(main)


def test_wait_for_inside_of_the_synchronous_part(asyncio_library):
    def run():
        with pytest.raises(TimeoutError):
            await_(asyncio.wait_for(asyncio.sleep(10), 0.001))
        return await_(asyncio.wait_for(asyncio.sleep(0, "went on"), 10))

    assert asyncio_library.run(with_portal_run_sync, run) == "went on"


def test_a_task_group_around_portals_cancels_them_when_one_fails(asyncio_library):
    log = []

    def wait():
        try:
            await_(asyncio.sleep(10))
        finally:
            await_(asyncio.sleep(0))
            log.append("cleaned up")

    def fail():
        await_(asyncio.sleep(0.001))
        raise KeyError("failed")

    async def main():
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(with_portal_run_sync(wait))
                group.create_task(with_portal_run_sync(fail))
                await with_portal_run_sync(wait)
        return [repr(error) for error in caught.value.exceptions]

    assert asyncio_library.run(main) == ["KeyError('failed')"]
    assert log == ["cleaned up", "cleaned up"]


def test_a_task_group_inside_of_the_synchronous_part(asyncio_library):
    log = []

    async def fail():
        await asyncio.sleep(0.001)
        raise KeyError("failed")

    def run():
        with pytest.raises(ExceptionGroup) as caught:  # noqa: SIM117
            with async_context(asyncio.TaskGroup()) as group:
                group.create_task(fail())
                try:
                    await_(asyncio.sleep(10))
                except asyncio.CancelledError:
                    log.append("cancelled")
                    raise
        await_(asyncio.sleep(0))
        return repr(caught.value.exceptions), asyncio.current_task().cancelling()

    outcome = asyncio_library.run(with_portal_run_sync, run)
    assert outcome == ("(KeyError('failed'),)", 0)
    assert log == ["cancelled"]


def test_a_task_group_inside_waits_for_its_tasks(asyncio_library):
    async def give(value):
        await asyncio.sleep(0.001)
        return value

    def run():
        with async_context(asyncio.TaskGroup()) as group:
            tasks = [group.create_task(give(number)) for number in range(3)]
        return [task.result() for task in tasks]

    assert asyncio_library.run(with_portal_run_sync, run) == [0, 1, 2]


def test_a_cancellation_while_a_group_inside_waits_reaches_its_tasks(asyncio_library):
    log = []

    async def wait():
        try:
            await asyncio.sleep(10)
        finally:
            log.append("task cancelled")

    def run():
        try:
            with async_context(asyncio.TaskGroup()) as group:
                group.create_task(wait())
        finally:
            log.append(type(sys.exception()))

    async def main():
        task = asyncio.ensure_future(with_portal_run_sync(run))
        await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio_library.run(main)
    assert log == ["task cancelled", asyncio.CancelledError]
