"""The cancellation of an asyncio task reaches await_() as it would reach `await`."""

import asyncio
import contextlib
import sys

import pytest

from switchback import async_context, await_, with_portal_run_sync

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


def test_cancellation_is_raised_at_the_call(asyncio_library):
    log = []

    def run():
        try:
            await_(asyncio.sleep(10))
        except asyncio.CancelledError as error:
            log.append(error.args)
            raise

    async def main():
        task = asyncio.ensure_future(with_portal_run_sync(run))
        await asyncio.sleep(0)
        task.cancel("why")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio_library.run(main)
    assert log == [("why",)]


def cancelled_traceback(asyncio_library, async_fn):
    async def main():
        task = asyncio.ensure_future(async_fn())
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            names = []
            traceback = error.__traceback__
            while traceback is not None:
                names.append(traceback.tb_frame.f_code.co_name)
                traceback = traceback.tb_next
            return names

    return asyncio_library.run(main)


def test_the_traceback_of_a_cancellation_is_that_of_native_code(asyncio_library):
    async def wait():
        await asyncio.Event().wait()

    async def native():
        await wait()

    def run():
        await_(wait())

    async def portal():
        await with_portal_run_sync(run)

    expected = cancelled_traceback(asyncio_library, native)
    names = cancelled_traceback(asyncio_library, portal)
    start = expected.index("native") + 1
    assert names[names.index("run") + 1 :] == expected[start:]


def test_finally_may_await_while_a_task_is_cancelled(asyncio_library):
    log = []

    def run():
        try:
            await_(asyncio.sleep(10))
        finally:
            log.append(type(sys.exception()))
            await_(asyncio.sleep(0.001))
            log.append("cleaned up")

    async def main():
        task = asyncio.ensure_future(with_portal_run_sync(run))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio_library.run(main)
    assert log == [asyncio.CancelledError, "cleaned up"]


def test_a_second_cancellation_interrupts_the_clean_up(asyncio_library):
    log = []

    def run():
        try:
            await_(asyncio.sleep(10))
        finally:
            try:
                await_(asyncio.sleep(10))
            except asyncio.CancelledError as error:
                log.append((error.args, type(error.__context__)))
                raise

    async def native():
        try:
            await asyncio.sleep(10)
        finally:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError as error:
                log.append((error.args, type(error.__context__)))
                raise

    async def main():
        for work in (native, lambda: with_portal_run_sync(run)):
            task = asyncio.ensure_future(work())
            await asyncio.sleep(0)
            task.cancel("first")
            await asyncio.sleep(0)
            task.cancel("second")
            await asyncio.wait([task])
            assert task.cancelled()

    asyncio_library.run(main)
    assert log == [(("second",), asyncio.CancelledError)] * 2


def test_a_cancellation_may_be_swallowed(asyncio_library):
    def run():
        with contextlib.suppress(asyncio.CancelledError):
            await_(asyncio.sleep(10))
        await_(asyncio.sleep(0.001))
        return asyncio.current_task().cancelling()

    async def main():
        task = asyncio.ensure_future(with_portal_run_sync(run))
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio_library.run(main) == 1


def test_uncancel_takes_a_cancellation_back(asyncio_library):
    def run():
        try:
            await_(asyncio.sleep(10))
        except asyncio.CancelledError:
            assert asyncio.current_task().uncancel() == 0
        with async_context(asyncio.timeout(10)):
            await_(asyncio.sleep(0.001))
        return asyncio.current_task().cancelling()

    async def main():
        task = asyncio.ensure_future(with_portal_run_sync(run))
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio_library.run(main) == 0


def test_a_task_cancelled_while_it_runs_is_interrupted_at_its_next_await(asyncio_library):
    log = []

    def run():
        asyncio.current_task().cancel("by itself")
        log.append("goes on")
        await_(no_checkpoint())
        log.append("still goes on")
        await_(asyncio.sleep(0))
        log.append("not reached")

    async def no_checkpoint():
        pass

    async def main():
        task = asyncio.ensure_future(with_portal_run_sync(run))
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio_library.run(main)
    assert log == ["goes on", "still goes on"]


def test_a_task_cancelled_before_its_first_step_never_runs(asyncio_library):
    async def main():
        task = asyncio.ensure_future(with_portal_run_sync(lambda: pytest.fail("it ran")))
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio_library.run(main)


def test_cancellation_passes_through_every_nested_level(asyncio_library):
    log = []

    def synchronous(level):
        try:
            await_(asynchronous(level - 1) if level else asyncio.sleep(10))
        except asyncio.CancelledError:
            log.append(("sync", level))
            await_(asyncio.sleep(0))
            raise

    async def asynchronous(level):
        try:
            synchronous(level)
        finally:
            await asyncio.sleep(0)
            log.append(("async", level))

    async def main():
        task = asyncio.ensure_future(with_portal_run_sync(synchronous, 3))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio_library.run(main)
    assert log == [
        ("sync", 0),
        ("async", 0),
        ("sync", 1),
        ("async", 1),
        ("sync", 2),
        ("async", 2),
        ("sync", 3),
    ]


def test_cancelling_the_outer_task_cancels_the_task_awaited(asyncio_library):
    async def wait():
        await asyncio.sleep(10)

    async def main():
        inner = asyncio.ensure_future(wait())
        outer = asyncio.ensure_future(with_portal_run_sync(lambda: await_(inner)))
        await asyncio.sleep(0)
        outer.cancel()
        await asyncio.wait([outer])
        return outer.cancelled(), inner.cancelled()

    assert asyncio_library.run(main) == (True, True)


def test_shield_protects_what_is_awaited(asyncio_library):
    async def wait():
        await asyncio.sleep(0.002)
        return "finished"

    async def main():
        inner = asyncio.ensure_future(wait())
        outer = asyncio.ensure_future(with_portal_run_sync(lambda: await_(asyncio.shield(inner))))
        await asyncio.sleep(0)
        outer.cancel()
        await asyncio.wait([outer])
        return outer.cancelled(), await inner

    assert asyncio_library.run(main) == (True, "finished")


def test_many_tasks_are_cancelled_in_any_order(asyncio_library):
    log = []

    def run(number):
        try:
            await_(asyncio.sleep(10))
        finally:
            await_(asyncio.sleep((number * 7 % 5) / 2000))
            log.append(number)

    async def main():
        tasks = [asyncio.ensure_future(with_portal_run_sync(run, n)) for n in range(50)]
        await asyncio.sleep(0)
        for number in range(50):
            tasks[number * 7 % 50].cancel()
        await asyncio.wait(tasks)
        return all(task.cancelled() for task in tasks)

    assert asyncio_library.run(main)
    assert sorted(log) == list(range(50))


def test_the_loop_cancels_portals_that_are_left_when_it_ends(asyncio_library):
    log = []

    def run():
        try:
            await_(asyncio.sleep(10))
        finally:
            await_(asyncio.sleep(0))
            log.append("cleaned up")

    async def main():
        main.task = asyncio.ensure_future(with_portal_run_sync(run))
        await asyncio.sleep(0)

    asyncio_library.run(main)
    assert log == ["cleaned up"]
