"""Cancellation reaches await_() as it would reach `await`."""

import asyncio
import contextlib
import sys

import pytest

from switchback import async_context, await_, with_portal_run_sync

anyio = pytest.importorskip("anyio")
trio = pytest.importorskip("trio")


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


# asyncio's own scopes


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


# Any runner


def test_closing_a_portal_raises_generator_exit_at_the_call():
    log = []

    class Trap:
        def __await__(self):
            yield

    async def wait():
        await Trap()

    def run():
        try:
            await_(wait())
        except GeneratorExit:
            log.append("exit")
            raise
        finally:
            log.append("finally")

    portal = with_portal_run_sync(run)
    portal.send(None)
    portal.close()
    assert log == ["exit", "finally"]


def test_a_portal_that_ignores_generator_exit_is_an_error_as_of_a_coroutine():
    class Trap:
        def __await__(self):
            yield

    def run():
        try:
            await_(Trap())
        finally:
            await_(Trap())

    async def ignoring():
        try:
            await Trap()
        finally:
            await Trap()

    async def native():
        await ignoring()

    for coroutine in (native(), with_portal_run_sync(run)):
        coroutine.send(None)
        with pytest.raises(RuntimeError, match=r"^coroutine ignored GeneratorExit$"):
            coroutine.close()
        with pytest.raises(RuntimeError, match=r"^cannot reuse already awaited coroutine$"):
            coroutine.send(None)


def test_what_is_thrown_may_be_answered_by_another_trap():
    class Trap:
        def __init__(self, value):
            self.value = value

        def __await__(self):
            return (yield self.value)

    def run():
        try:
            await_(Trap("first"))
        except KeyError:
            return await_(Trap("second"))

    portal = with_portal_run_sync(run)
    assert portal.send(None) == "first"
    assert portal.throw(KeyError("x")) == "second"
    with pytest.raises(StopIteration, match="result"):
        portal.send("result")


class WithGenerator:
    def __await__(self):
        yield


class WithIterator:
    """What it waits with has no throw()."""

    def __await__(self):
        return iter([1, 2])


@pytest.mark.parametrize("awaitable", [WithGenerator, WithIterator])
def test_an_exception_that_the_driver_handles_is_no_context_of_what_it_throws(awaitable):
    async def native():
        await awaitable()

    def run():
        await_(awaitable())

    def context(coroutine):
        coroutine.send(None)
        try:
            raise ValueError("handled by the driver")
        except ValueError:
            try:
                coroutine.throw(KeyError("thrown"))
            except KeyError as error:
                return repr(error.__context__)

    assert context(with_portal_run_sync(run)) == context(native()) == "None"
