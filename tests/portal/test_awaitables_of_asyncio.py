"""await_() takes futures, tasks and the like of asyncio, and coroutines of other kinds."""

import asyncio

import pytest
from support.awaitables import ByGenerator, Returning, outcome_of
from support.by_hand import trap
from support.coroutines import give

from switchback import await_, with_portal_run_sync

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


def test_an_asyncio_future(asyncio_library):
    def run():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_later(0.001, future.set_result, (1, 2))
        first = await_(future)
        return first is await_(future)  # a finished one again, at once

    assert asyncio_library.run(with_portal_run_sync, run)


def test_an_asyncio_future_that_fails(asyncio_library):
    def run():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_exception, KeyError("x"))
        with pytest.raises(KeyError):
            await_(future)
        with pytest.raises(KeyError):
            await_(future)
        return "went on"

    assert asyncio_library.run(with_portal_run_sync, run) == "went on"


def test_an_asyncio_future_that_is_cancelled(asyncio_library):
    def run():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.cancel, "why")
        with pytest.raises(asyncio.CancelledError, match="why"):
            await_(future)
        return "went on"

    assert asyncio_library.run(with_portal_run_sync, run) == "went on"


def test_a_pure_python_future(asyncio_library):
    def run():
        loop = asyncio.get_running_loop()
        future = asyncio.futures._PyFuture(loop=loop)
        loop.call_later(0.001, future.set_result, "result")
        return await_(future)

    assert asyncio_library.run(with_portal_run_sync, run) == "result"


def test_the_iterator_of_a_future(asyncio_library):
    def run():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_result, "result")
        return await_(Returning(future.__await__()))

    assert asyncio_library.run(with_portal_run_sync, run) == "result"


def test_a_future_of_another_loop_is_refused_and_the_portal_goes_on(asyncio_library):
    # asyncio answers a wrong trap by throwing into the task.
    def run():
        other = asyncio.new_event_loop()
        try:
            with pytest.raises(RuntimeError, match=r"attached to a different loop"):
                await_(other.create_future())
        finally:
            other.close()
        await_(asyncio.sleep(0))
        return "went on"

    assert asyncio_library.run(with_portal_run_sync, run) == "went on"


def test_a_trap_that_asyncio_does_not_know_is_refused_and_the_portal_goes_on(asyncio_library):
    def run():
        with pytest.raises(RuntimeError, match=r"Task got bad yield: 'first'"):
            await_(ByGenerator())
        await_(asyncio.sleep(0))
        return "went on"

    assert asyncio_library.run(with_portal_run_sync, run) == "went on"


def test_tasks(asyncio_library):
    def run():
        task = asyncio.ensure_future(give(asyncio_library, "result"))
        return await_(task), await_(task)

    assert asyncio_library.run(with_portal_run_sync, run) == ("result", "result")


def test_a_task_cannot_await_itself(asyncio_library):
    def run():
        with pytest.raises(RuntimeError, match="Task cannot await on itself"):
            await_(asyncio.current_task())
        return await_(give(asyncio_library, "went on"))

    assert asyncio_library.run(with_portal_run_sync, run) == "went on"


def test_gather_wait_and_as_completed(asyncio_library):
    def run():
        both = await_(asyncio.gather(give(asyncio_library, 1), give(asyncio_library, 2)))
        tasks = {asyncio.ensure_future(give(asyncio_library, n)) for n in (3, 4)}
        done, _ = await_(asyncio.wait(tasks))
        each = sorted(await_(c) for c in asyncio.as_completed([give(asyncio_library, 5)]))
        return both, sorted(task.result() for task in done), each

    assert asyncio_library.run(with_portal_run_sync, run) == ([1, 2], [3, 4], [5])


@pytest.mark.threads
def test_queues_locks_and_threads(asyncio_library):
    def run():
        queue = asyncio.Queue(1)
        await_(queue.put(1))
        lock = asyncio.Lock()
        await_(lock.acquire())
        lock.release()
        return await_(queue.get()), await_(asyncio.to_thread(sum, [1, 2]))

    assert asyncio_library.run(with_portal_run_sync, run) == (1, 3)


def test_a_collections_abc_coroutine_written_in_python(both_ways):
    from collections.abc import Coroutine

    class Wrapped(Coroutine):
        def __init__(self, coroutine):
            self.coroutine = coroutine

        def __await__(self):
            return self.coroutine.__await__()

        def send(self, value):
            return self.coroutine.send(value)

        def throw(self, *error):
            return self.coroutine.throw(*error)

        def close(self):
            self.coroutine.close()

    async def scenario(library, seen, Wrapped):
        return await Wrapped(give(library, "result"))

    assert both_ways(scenario, Wrapped).value == "result"


def test_the_wrapper_that_a_coroutines_await_returns(both_ways):
    class Wrapped:
        def __init__(self, coroutine):
            self.coroutine = coroutine

        def __await__(self):
            return self.coroutine.__await__()

    async def scenario(library, seen, Wrapped):
        return await Wrapped(give(library, "result"))

    assert both_ways(scenario, Wrapped).value == "result"


def test_a_coroutine_awaited_by_a_foreign_runner_of_its_own(library):
    # A sync function may drive coroutines by hand as well, inside its portal.
    async def two_traps():
        return await trap(), await trap()

    def run():
        inner = outcome_of(two_traps(), 1, 2)
        await_(library.checkpoint())
        return inner

    assert library.run(with_portal_run_sync, run)[-1] == ("returns", (1, 2))
