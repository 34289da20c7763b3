"""exclusive(): at most one portal of a thread is inside; others wait for their turn."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from support.by_hand import finish, suspended, trap

import switchback
from switchback import NoPortalError, await_, exclusive, with_portal_run_sync


class Inside:
    """Counts who is inside, and notes the order."""

    def __init__(self):
        self.now = 0
        self.most = 0
        self.order = []

    def stay(self, library, name, seconds=0.001):
        self.now += 1
        self.most = max(self.most, self.now)
        self.order.append(name)
        await_(library.sleep(seconds))
        self.now -= 1
        return name


def in_portals(library, function, count):
    async def main():
        async def call(index):
            return await with_portal_run_sync(function, index)

        return await library.gather(*(lambda index=index: call(index) for index in range(count)))

    return library.run(main)


def test_one_portal_at_a_time_calls_a_function(library):
    inside = Inside()

    @exclusive
    def stay(index):
        return inside.stay(library, index)

    assert in_portals(library, stay, 10) == list(range(10))
    assert inside.most == 1


def test_several_functions_and_statements_may_be_one(library):
    inside, alone = Inside(), exclusive()
    first = alone(lambda index: inside.stay(library, index))

    def second(index):
        with alone:
            return inside.stay(library, index)

    in_portals(library, lambda index: (first, second)[index % 2](index), 10)
    assert inside.most == 1


def test_functions_apart_do_not_wait_for_each_other(library):
    inside = Inside()
    functions = [exclusive(lambda index: inside.stay(library, index, 0.01)) for _ in range(3)]
    in_portals(library, lambda index: functions[index](index), 3)
    assert inside.most == 3


def test_turns_come_in_the_order_of_their_asking(library):
    inside, alone, asked = Inside(), exclusive(), []

    def work(index):
        await_(library.sleep(0.002 * ((index * 3) % 5)))
        asked.append(index)
        with alone:
            inside.stay(library, index, 0.01)

    in_portals(library, work, 5)
    assert inside.order == asked


def test_the_loop_runs_while_others_wait(library):
    alone, ticks = exclusive(), []

    def work(index):
        if index == 0:
            with alone:
                while len(ticks) < 5:
                    await_(library.sleep(0.001))
        elif index == 1:
            await_(library.sleep(0.001))
            with alone:
                return len(ticks)
        else:
            for _ in range(5):
                await_(library.sleep(0.005))
                ticks.append(None)
        return None

    assert in_portals(library, work, 3)[1] == 5


def test_a_portal_that_is_inside_may_enter_again(library):
    inside, alone = Inside(), exclusive()

    def work(index):
        with alone:
            with alone:
                inside.stay(library, index)
            inside.stay(library, index)

    in_portals(library, work, 3)
    assert inside.most == 1
    assert inside.order[::2] == inside.order[1::2]


def test_an_exception_passes_and_ends_the_turn(library):
    @exclusive
    def fail(index):
        await_(library.checkpoint())
        raise LookupError(index)

    def caught(index):
        with pytest.raises(LookupError):
            fail(index)
        return index

    assert in_portals(library, caught, 3) == [0, 1, 2]


def cancelled(*, after_its_turn_has_come):
    """The order in which tasks were inside, of which the second was cancelled as it waited."""
    inside, alone = [], exclusive()

    async def main():
        released = asyncio.Event()

        def work(index):
            with alone:
                inside.append(index)
                if index == 0:
                    await_(released.wait())

        tasks = [asyncio.create_task(with_portal_run_sync(work, index)) for index in range(3)]
        await asyncio.sleep(0.01)
        if after_its_turn_has_come:
            released.set()
            # The first one leaves in the next step, and the second one has been told by then.
            while len(alone._turns()._waiting) == 2:
                await asyncio.sleep(0)
        tasks[1].cancel()
        released.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    return inside, [type(result) for result in results]


def test_a_wait_can_be_cancelled():
    inside, results = cancelled(after_its_turn_has_come=False)
    assert inside == [0, 2]
    assert results == [type(None), asyncio.CancelledError, type(None)]


def test_a_turn_that_is_cancelled_as_it_comes_goes_to_the_next():
    inside, results = cancelled(after_its_turn_has_come=True)
    assert inside == [0, 2]
    assert results == [type(None), asyncio.CancelledError, type(None)]


def test_a_portal_that_is_dropped_while_it_is_inside_leaves():
    alone = exclusive()

    def wait():
        with alone:
            await_(trap())

    portal = suspended(wait)
    del portal
    gc.collect()
    finish(switchback._engine.open_call_portal(lambda: alone(lambda: None)(), ()))


def test_code_without_a_portal_enters_where_nobody_is_inside():
    assert exclusive(lambda value: value + 1)(1) == 2


def test_code_without_a_portal_cannot_wait():
    alone = exclusive()

    async def main():
        def stay():
            with alone:
                await_(asyncio.sleep(0.01))

        task = asyncio.create_task(with_portal_run_sync(stay))
        await asyncio.sleep(0)
        with pytest.raises(NoPortalError), alone:
            pass
        await task
        with alone:
            pass

    asyncio.run(main())


def test_a_runner_of_another_kind_is_told_that_there_is_no_way_to_wait():
    alone = exclusive()

    def wait():
        with alone:
            await_(trap())

    first = suspended(wait)
    with pytest.raises(RuntimeError, match="runs in no task"):
        suspended(wait)
    finish(first)
    finish(suspended(wait))


def test_a_loop_that_a_portal_runs_inside_does_not_wait_for_it(asyncio_library):
    alone, done = exclusive(), []

    def inner():
        with alone:
            await_(asyncio.sleep(0))
            done.append("inner")

    def outer():
        from support.libraries import without_running_loop

        with alone:
            with without_running_loop():
                asyncio.run(with_portal_run_sync(inner))
            await_(asyncio_library.checkpoint())
            done.append("outer")

    async def main():
        await with_portal_run_sync(outer)

    asyncio_library.run(main)
    assert done == ["inner", "outer"]


@pytest.mark.threads
def test_each_thread_has_its_own_turns():
    alone, meeting = exclusive(), threading.Barrier(2, timeout=10)

    def work():
        with alone:
            await_(asyncio.sleep(0.001))
            meeting.wait()

    async def main():
        await with_portal_run_sync(work)

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not meeting.broken


def test_a_function_keeps_its_name():
    @exclusive
    def named():
        """Say what it does."""

    assert (named.__name__, named.__doc__) == ("named", "Say what it does.")


@pytest.mark.parametrize("module", ["polars", asyncio], ids=["name", "module"])
def test_a_module_is_refused_with_what_to_do(module):
    name = module if isinstance(module, str) else "asyncio"
    with pytest.raises(TypeError, match=f"the module '{name}'.*use it in 'with'"):
        exclusive(module)
    with pytest.raises(TypeError, match="the module"):
        exclusive()(module)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="exclusive\\(\\) takes a function, not int"):
        exclusive(1)


def test_what_leads_into_a_c_type_cannot_be_replaced():
    # Which is why a module as a whole cannot be had.
    import array

    for name in ("__add__", "__getitem__", "append"):
        with pytest.raises(TypeError, match="immutable type"):
            setattr(array.array, name, None)
