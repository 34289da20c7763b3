"""Context variables are those that `await` would see, and set."""

import asyncio
import contextvars
import decimal

import pytest

from switchback import async_context, await_, ensure_portal, with_portal_run, with_portal_run_sync

variable = contextvars.ContextVar("variable", default="default")
other = contextvars.ContextVar("other", default="default")


class Trap:
    def __await__(self):
        return (yield)


async def set_it(library, value):
    await library.checkpoint()
    variable.set(value)
    await library.checkpoint()


async def get_it(library):
    before = variable.get()
    await library.checkpoint()
    assert variable.get() == before
    return before


def test_a_write_in_a_coroutine_is_visible_in_the_caller(both_ways):
    async def scenario(library, seen):
        await set_it(library, "by the coroutine")
        seen.append(variable.get())

    assert both_ways(scenario).seen == ["by the coroutine"]


def test_a_write_in_the_caller_is_visible_in_a_coroutine(both_ways):
    async def scenario(library, seen):
        variable.set("by the caller")
        seen.append(await get_it(library))

    assert both_ways(scenario).seen == ["by the caller"]


def test_a_write_in_the_synchronous_part_is_visible_after_it(library):
    def run():
        variable.set("before a checkpoint")
        await_(library.checkpoint())
        other.set("after a checkpoint")

    async def main():
        await with_portal_run_sync(run)
        first = variable.get(), other.get()
        await library.checkpoint()
        return first, (variable.get(), other.get())

    expected = ("before a checkpoint", "after a checkpoint")
    assert library.run(main) == (expected, expected)


def test_a_write_in_a_portal_that_never_suspends_is_visible_after_it(library):
    async def main():
        await with_portal_run_sync(variable.set, "set")
        return variable.get()

    assert library.run(main) == "set"


def test_a_write_before_the_portal_is_visible_in_it(library):
    async def main():
        variable.set("before")
        return await with_portal_run_sync(lambda: (await_(library.checkpoint()), variable.get()))

    assert library.run(main) == (None, "before")


def test_a_write_inside_with_portal_run_is_visible_after_it(library):
    async def work():
        await library.checkpoint()
        variable.set("async")
        await_(library.checkpoint())
        return variable.get()

    async def main():
        return await with_portal_run(work), variable.get()

    assert library.run(main) == ("async", "async")


def test_a_write_under_ensure_portal_is_visible_in_the_task_alone(library):
    def run():
        variable.set("in the task")
        await_(library.checkpoint())

    async def work():
        await ensure_portal()
        run()
        return variable.get()

    async def main():
        [inside] = await library.gather(work)
        return inside, variable.get()

    assert library.run(main) == ("in the task", "default")


def test_a_token_resets_across_await(both_ways):
    async def scenario(library, seen):
        token = variable.set("temporary")
        await library.checkpoint()
        seen.append(variable.get())
        variable.reset(token)
        await library.checkpoint()
        seen.append(variable.get())

    assert both_ways(scenario).seen == ["temporary", "default"]


def test_a_token_resets_in_another_function_than_it_was_made_in(library):
    async def make():
        await library.checkpoint()
        return variable.set("temporary")

    def run():
        token = await_(make())
        assert variable.get() == "temporary"
        await_(library.checkpoint())
        return token

    async def main():
        token = await with_portal_run_sync(run)
        variable.reset(token)
        return variable.get()

    assert library.run(main) == "default"


def test_tokens_reset_in_nested_levels(library):
    def run(level):
        token = variable.set(level)
        if level:
            await_(again(level - 1))
        await_(library.checkpoint())
        assert variable.get() == level
        variable.reset(token)

    async def again(level):
        await library.checkpoint()
        run(level)

    async def main():
        await with_portal_run_sync(run, 10)
        return variable.get()

    assert library.run(main) == "default"


def test_a_private_context_stays_private(library):
    def private():
        variable.set("private")
        await_(library.checkpoint())
        assert variable.get() == "private"
        await_(set_it(library, "private, by a coroutine"))
        return variable.get()

    def run():
        context = contextvars.copy_context()
        inside = context.run(private)
        await_(library.checkpoint())
        return inside, variable.get(), context[variable]

    assert library.run(with_portal_run_sync, run) == (
        "private, by a coroutine",
        "default",
        "private, by a coroutine",
    )


def test_nested_private_contexts_stay_apart(library):
    def enter(level):
        variable.set(level)
        await_(library.checkpoint())
        if level:
            contextvars.copy_context().run(enter, level - 1)
        await_(library.checkpoint())
        assert variable.get() == level

    def run():
        contextvars.copy_context().run(enter, 5)
        return variable.get()

    assert library.run(with_portal_run_sync, run) == "default"


def test_private_contexts_of_interleaved_tasks_stay_apart(library):
    def private(number):
        variable.set(number)
        for round in range(5):
            await_(library.sleep(((number * 7 + round) % 5) / 4000))
            assert variable.get() == number
        return variable.get()

    def run(number):
        variable.set(-number)
        result = contextvars.copy_context().run(private, number)
        assert variable.get() == -number
        return result

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(50)]
        return await library.gather(*calls), variable.get()

    assert library.run(main) == (list(range(50)), "default")


def test_variables_of_fifty_interleaved_tasks_stay_apart(library):
    def run(number):
        token = variable.set(number)
        for round in range(5):
            await_(library.sleep(((number * 7 + round) % 5) / 4000))
            assert variable.get() == number
            await_(set_it(library, number))
        variable.reset(token)
        return variable.get()

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(50)]
        return await library.gather(*calls)

    assert library.run(main) == ["default"] * 50


def test_a_private_context_that_is_entered_already_cannot_be_entered_again(library):
    context = contextvars.copy_context()

    async def main():
        waits, goes_on = library.event(), library.event()

        def hold():
            waits.set()
            await_(goes_on.wait())

        async def intrude():
            await waits.wait()
            with pytest.raises(RuntimeError, match="already entered"):
                context.run(lambda: None)
            goes_on.set()

        await library.gather(lambda: with_portal_run_sync(context.run, hold), intrude)
        return context.run(lambda: "free again")

    assert library.run(main) == "free again"


def test_a_private_context_is_left_when_an_exception_passes(library):
    context = contextvars.copy_context()

    async def fail():
        await library.checkpoint()
        raise KeyError

    def run():
        variable.set("outside")
        with pytest.raises(KeyError):
            context.run(lambda: await_(fail()))
        return variable.get(), context.run(variable.get)

    assert library.run(with_portal_run_sync, run) == ("outside", "default")


def test_a_private_context_is_left_when_the_portal_is_closed():
    context = contextvars.copy_context()
    portal = with_portal_run_sync(context.run, lambda: await_(Trap()))
    portal.send(None)
    with pytest.raises(RuntimeError, match="already entered"):
        context.run(lambda: None)
    portal.close()
    assert context.run(lambda: "free again") == "free again"


def test_the_context_of_the_driver_is_its_own_again_after_each_step():
    def private():
        variable.set("private")
        await_(Trap())
        variable.set("private, later")
        await_(Trap())

    def drive():
        variable.set("driver")
        portal = with_portal_run_sync(contextvars.copy_context().run, private)
        portal.send(None)
        first = variable.get()
        portal.send(None)
        second = variable.get()
        portal.close()
        return first, second, variable.get()

    assert contextvars.copy_context().run(drive) == ("driver", "driver", "driver")


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


def test_a_private_context_is_kept_when_the_driver_changes_its_own():
    seen = []

    def private():
        variable.set("private")
        await_(Trap())
        seen.append(variable.get())

    def run():
        contextvars.copy_context().run(private)
        seen.append(variable.get())
        await_(Trap())
        seen.append(variable.get())

    portal = with_portal_run_sync(run)
    first, second = contextvars.copy_context(), contextvars.copy_context()
    first.run(variable.set, "first")
    second.run(variable.set, "second")
    first.run(portal.send, None)
    second.run(portal.send, None)
    with pytest.raises(StopIteration):
        first.run(portal.send, None)
    # After the private context is left, the caller's is that of the step, as of a coroutine.
    assert seen[0] == "private"
    assert seen[2] == "first"
    assert seen[1] == "second"


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
