"""Each step of a portal has the context of the task, or of whatever drives it."""

import asyncio
import contextvars
import decimal

import pytest
from support.context_variables import Trap, variable

from switchback import async_context, await_, with_portal_run_sync

pytestmark = pytest.mark.unknown_minor


def contexts_of_the_driver(coroutine):
    """What a coroutine sees when each of its steps is run in another context."""
    seen = []
    first, second = contextvars.copy_context(), contextvars.copy_context()
    first.run(variable.set, "first")
    second.run(variable.set, "second")
    for context in (first, second, first, second):
        try:
            seen.append(context.run(coroutine.send, None))
        except StopIteration as stop:
            seen.append(stop.value)
    return seen, first[variable], second[variable]


def test_each_step_sees_the_context_of_its_driver():
    class Report:
        def __await__(self):
            yield variable.get()
            return variable.get()

    async def native():
        values = [await Report()]
        variable.set("written")
        values.append(await Report())
        await Trap()
        return [*values, variable.get()]

    def run():
        values = [await_(Report())]
        variable.set("written")
        values.append(await_(Report()))
        await_(Trap())
        return [*values, variable.get()]

    expected = contexts_of_the_driver(native())
    assert contexts_of_the_driver(with_portal_run_sync(run)) == expected


def test_a_portal_may_be_driven_without_a_context_of_its_own():
    import threading

    seen = []

    def run():
        seen.append(variable.get())
        variable.set("set")
        await_(Trap())
        seen.append(variable.get())

    def drive():
        portal = with_portal_run_sync(run)
        portal.send(None)
        with pytest.raises(StopIteration):
            portal.send(None)

    thread = threading.Thread(target=drive)
    thread.start()
    thread.join()
    assert seen == ["default", "set"]


def test_a_task_with_a_context_that_is_given(asyncio_library):
    def run():
        before = variable.get()
        variable.set("by the task")
        await_(asyncio.sleep(0))
        return before, variable.get()

    async def main():
        context = contextvars.copy_context()
        context.run(variable.set, "given")
        task = asyncio.get_running_loop().create_task(with_portal_run_sync(run), context=context)
        return await task, context[variable], variable.get()

    assert asyncio_library.run(main) == (("given", "by the task"), "by the task", "default")


def test_two_tasks_that_share_a_context(asyncio_library):
    def run(number):
        variable.set([*variable.get(), number])
        await_(asyncio.sleep(0))
        return variable.get()

    async def main():
        variable.set([])
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(with_portal_run_sync(run, number), context=context)
            for number in range(3)
        ]
        return await asyncio.gather(*tasks)

    assert asyncio_library.run(main) == [[0, 1, 2]] * 3


def test_tasks_and_callbacks_started_inside_copy_the_context(asyncio_library):
    async def child():
        return variable.get()

    def run():
        variable.set("inherited")
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: future.set_result(variable.get()))
        task = asyncio.ensure_future(child())
        variable.set("changed since")
        return await_(task), await_(future), await_(asyncio.to_thread(variable.get))

    assert asyncio_library.run(with_portal_run_sync, run) == (
        "inherited",
        "inherited",
        "changed since",
    )


def test_children_in_a_private_context_copy_that_one(library):
    async def child():
        return variable.get()

    def private():
        variable.set("private")
        return await_(library.gather(child))

    def run():
        return contextvars.copy_context().run(private), variable.get()

    async def main():
        return await with_portal_run_sync(run)

    assert library.run(main) == (["private"], "default")


def test_the_decimal_context_is_that_of_the_task(library):
    def run(number):
        with decimal.localcontext() as context:
            context.prec = number + 2
            for round in range(3):
                await_(library.sleep(((number * 7 + round) % 5) / 4000))
                assert decimal.getcontext().prec == number + 2
            result = decimal.Decimal(1) / 3
        assert decimal.getcontext().prec == 28
        return len(str(result)) - 2

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(20)]
        return await library.gather(*calls)

    assert library.run(main) == [number + 2 for number in range(20)]


def test_context_managers_that_set_variables_nest(library):
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def setting(value):
        token = variable.set(value)
        await library.checkpoint()
        try:
            yield
        finally:
            await library.checkpoint()
            variable.reset(token)

    def run():
        with async_context(setting("outer")):
            with async_context(setting("inner")):
                await_(library.checkpoint())
                inner = variable.get()
            outer = variable.get()
        return inner, outer, variable.get()

    assert library.run(with_portal_run_sync, run) == ("inner", "outer", "default")


def test_the_same_variable_read_many_times_is_not_cached_across_steps():
    # The interpreter caches the value of a variable by a version of the context.
    def run():
        values = []
        for _ in range(3):
            values.append(variable.get())
            await_(Trap())
        return values

    portal = with_portal_run_sync(run)
    contexts = [contextvars.copy_context() for _ in range(4)]
    for number, context in enumerate(contexts):
        context.run(variable.set, number)
    for context in contexts[:3]:
        context.run(portal.send, None)
    with pytest.raises(StopIteration) as caught:
        contexts[3].run(portal.send, None)
    assert caught.value.value == [0, 1, 2]
