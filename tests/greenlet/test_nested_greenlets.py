"""await_() inside greenlets of the program, within a portal and around one."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from support.greenlet_programs import greenlet
from support.greenlet_users import copies_stacks
from support.libraries import without_running_loop

from switchback import (
    NoPortalError,
    await_,
    ensure_portal,
    has_portal,
    with_portal_run_sync,
)

pytestmark = [pytest.mark.imports_greenlet, copies_stacks, pytest.mark.unknown_minor]


variable = contextvars.ContextVar("variable", default="unset")


# await_() inside greenlets of the program


def test_await_inside_nested_greenlets(library, backend):
    seen = []

    def inner(outer):
        seen.append("inner begins")
        await_(library.sleep(0.001))
        seen.append("inner goes on")
        assert has_portal()
        assert outer.switch("from inner") == "to inner"
        await_(library.checkpoint())
        seen.append("inner ends")
        return "inner's result"

    def outer():
        await_(library.checkpoint())
        child = greenlet.greenlet(inner)
        assert child.switch(greenlet.getcurrent()) == "from inner"
        await_(library.checkpoint())
        seen.append("between")
        assert greenlet.getcurrent().parent.switch("from outer") == "to outer"
        await_(library.checkpoint())
        return child.switch("to inner")

    def sync_fn():
        child = greenlet.greenlet(outer)
        assert child.switch() == "from outer"
        await_(library.sleep(0.001))
        seen.append("in the portal")
        return child.switch("to outer")

    async def main():
        for _ in range(2):
            assert await with_portal_run_sync(sync_fn) == "inner's result"
        await ensure_portal()
        return sync_fn()

    assert library.run(main) == "inner's result"
    once = ["inner begins", "inner goes on", "between", "in the portal", "inner ends"]
    assert seen == once * 3


def test_exceptions_of_await_inside_a_nested_greenlet(library, backend):
    async def fail():
        await library.checkpoint()
        raise KeyError("reason")

    def nested():
        with pytest.raises(KeyError):
            await_(fail())
        await_(library.checkpoint())
        await_(fail())

    def sync_fn():
        with pytest.raises(KeyError, match="reason"):
            greenlet.greenlet(nested).switch()
        await_(library.checkpoint())
        return "done"

    async def main():
        return await with_portal_run_sync(sync_fn)

    assert library.run(main) == "done"


def test_cancellation_inside_a_nested_greenlet(backend):
    seen = []

    def nested():
        try:
            await_(asyncio.sleep(1000))
        finally:
            await_(asyncio.sleep(0))
            seen.append("cleaned up")

    async def main():
        task = asyncio.create_task(with_portal_run_sync(lambda: greenlet.greenlet(nested).switch()))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == ["cleaned up"]


def test_await_that_does_not_suspend_works_in_any_greenlet(backend):
    async def compute():
        return 42

    def sync_fn():
        return greenlet.greenlet(lambda: await_(compute())).switch()

    assert asyncio.run(with_portal_run_sync(sync_fn)) == 42


def test_a_portal_inside_a_greenlet_of_its_own(backend):
    """A loop and its portals that run in a greenlet which is not a thread's main one."""

    def sync_fn(number):
        await_(asyncio.sleep(0))
        return number

    async def main():
        return await asyncio.gather(*[with_portal_run_sync(sync_fn, i) for i in range(20)])

    for _ in range(3):
        child = greenlet.greenlet(lambda: asyncio.run(main()))
        assert child.switch() == list(range(20))


def test_a_loop_run_inside_a_nested_greenlet_of_a_portal(backend):
    """It hides the outer task's portal, and has portals of its own."""

    def inner():
        await_(asyncio.sleep(0))
        return "inner"

    async def inner_main():
        assert not has_portal()
        with pytest.raises(NoPortalError):
            await_(asyncio.sleep(0))
        return await with_portal_run_sync(inner)

    def nested():
        loop = asyncio.new_event_loop()
        with without_running_loop():
            try:
                return loop.run_until_complete(inner_main())
            finally:
                loop.close()

    def sync_fn():
        result = greenlet.greenlet(nested).switch()
        await_(asyncio.sleep(0))
        return result

    assert asyncio.run(with_portal_run_sync(sync_fn)) == "inner"


def test_greenlets_that_switch_to_their_parent_between_awaits(backend):
    """What SQLAlchemy does: a greenlet hands what is to be awaited to the one that drives it."""

    def work(number):
        total = 0
        for _ in range(10):
            total += greenlet.getcurrent().parent.switch(number)
        return total

    def drive(number):
        child = greenlet.greenlet(work)
        value = child.switch(number)
        while not child.dead:
            await_(asyncio.sleep(0.0001 * (value * 7 % 5)))
            value = child.switch(value)
        return value

    async def main():
        return await asyncio.gather(*[with_portal_run_sync(drive, i) for i in range(50)])

    assert asyncio.run(main()) == [10 * i for i in range(50)]


def test_many_tasks_await_in_nested_greenlets_out_of_order(library, backend):
    """The greenlets are resumed in another order than that in which they were suspended."""

    def nested(number, depth):
        if depth:
            return greenlet.greenlet(nested).switch(number, depth - 1) + 1
        local = bytes([number]) * 500
        for step in range(10):
            await_(library.sleep(0.0002 * ((number * 7 + step * 3) % 11)))
            assert local == bytes([number]) * 500
        return number

    def sync_fn(number):
        await_(library.checkpoint())
        result = nested(number, number % 4)
        await_(library.checkpoint())
        return result

    async def main():
        calls = [lambda i=i: with_portal_run_sync(sync_fn, i) for i in range(50)]
        return await library.gather(*calls)

    assert library.run(main) == [i + i % 4 for i in range(50)]


def test_fifty_portals_end_in_the_reverse_order_and_in_any_other(backend):
    import random

    order = random.Random(7)

    def wait(events, number, depth):
        if depth:
            return wait(events, number, depth - 1)
        for event in events:
            await_(event.wait())
        return number

    async def main():
        for arrange in (list, reversed, lambda numbers: order.sample(list(numbers), 50)):
            events = [[asyncio.Event() for _ in range(3)] for _ in range(50)]
            ended = []
            tasks = []
            for i in range(50):
                task = asyncio.create_task(with_portal_run_sync(wait, events[i], i, i % 13))
                task.add_done_callback(lambda task, to=ended: to.append(task.result()))
                tasks.append(task)
            await asyncio.sleep(0)
            expected = []
            for which in range(3):
                expected = list(arrange(range(50)))
                for i in expected:
                    events[i][which].set()
                await asyncio.sleep(0)
            await asyncio.gather(*tasks)
            await asyncio.sleep(0)
            assert ended == expected

    asyncio.run(main())


# Context variables


def test_context_variables_pass_as_on_native(library, backend):
    token_of = {}

    async def set_in_coroutine(value):
        before = variable.get()
        variable.set(value)
        await library.checkpoint()
        assert variable.get() == value
        return before

    def sync_fn(number):
        token_of[number] = variable.set(number)
        await_(library.sleep(0.001 * (number % 3)))
        assert variable.get() == number
        assert await_(set_in_coroutine(-number)) == number
        assert variable.get() == -number
        copied = contextvars.copy_context()
        assert copied.run(in_context, number) == "inner"
        assert copied[variable] == "changed"
        assert variable.get() == -number
        variable.reset(token_of[number])
        return variable.get()

    def in_context(number):
        assert variable.get() == -number
        variable.set("changed")
        await_(library.checkpoint())
        assert variable.get() == "changed"
        return "inner"

    async def main():
        calls = [lambda i=i: with_portal_run_sync(sync_fn, i) for i in range(1, 21)]
        results = await library.gather(*calls)
        await ensure_portal()
        variable.set("before")
        assert sync_fn(100) == "before"
        assert variable.get() == "before"
        return results

    assert library.run(main) == ["unset"] * 20


def test_a_nested_greenlet_has_the_context_that_greenlet_gives_it(library, backend):
    """An empty one, unless it is given another; await_() leaves it as it is."""

    def nested():
        seen = [variable.get()]
        variable.set("nested")
        await_(library.checkpoint())
        return [*seen, variable.get()]

    def sync_fn():
        variable.set("outer")
        seen = greenlet.greenlet(nested).switch()
        assert variable.get() == "outer"
        copied = greenlet.greenlet(nested)
        copied.gr_context = contextvars.copy_context()
        seen += copied.switch()
        assert variable.get() == "outer"
        shared = greenlet.greenlet(nested)
        shared.gr_context = greenlet.getcurrent().gr_context
        seen += shared.switch()
        return [*seen, variable.get()]

    async def main():
        seen = await with_portal_run_sync(sync_fn)
        assert variable.get() == "nested"
        return seen

    assert library.run(main) == ["unset", "nested", "outer", "nested", "outer", "nested", "nested"]
