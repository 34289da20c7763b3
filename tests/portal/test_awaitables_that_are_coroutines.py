"""await_() takes coroutines and what async generators return, and refuses those in use."""

import contextlib

import pytest
from support.coroutines import give

from switchback import await_, with_portal_run_sync

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


def test_an_async_generator_is_driven_through_its_whole_life(both_ways):
    async def generate(library, seen):
        try:
            got = None
            while True:
                await library.checkpoint()
                try:
                    got = yield got
                except ValueError:
                    await library.checkpoint()
                    got = "caught"
        finally:
            await library.checkpoint()
            seen.append("closed")

    async def scenario(library, seen, generate):
        generator = generate(library, seen)
        seen.append(await generator.__anext__())
        seen.append(await generator.asend("sent"))
        seen.append(await generator.athrow(ValueError()))
        await generator.aclose()
        try:
            await generator.__anext__()
        except StopAsyncIteration:
            seen.append("end")

    assert both_ways(scenario, generate).seen == [None, "sent", "caught", "closed", "end"]


def test_an_exhausted_async_generator_raises_stop_async_iteration(both_ways):
    async def once(library):
        await library.checkpoint()
        yield 1

    async def scenario(library, seen, once):
        generator = once(library)
        seen.append(await anext(generator))
        seen.append(await anext(generator, "default"))
        await anext(generator)

    outcome = both_ways(scenario, once)
    assert outcome.seen == [1, "default"]
    assert outcome.error.type is StopAsyncIteration


def test_a_coroutine_that_returned_cannot_be_awaited_again(both_ways):
    async def scenario(library, seen):
        coroutine = give(library, 1)
        seen.append(await coroutine)
        try:
            await coroutine
        except RuntimeError as error:
            seen.append(str(error))
        seen.append(await give(library, "went on"))

    assert both_ways(scenario).seen == [1, "cannot reuse already awaited coroutine", "went on"]


def test_a_coroutine_that_raised_cannot_be_awaited_again(both_ways):
    async def fail():
        raise KeyError

    async def scenario(library, seen, fail):
        coroutine = fail()
        with contextlib.suppress(KeyError):
            await coroutine
        await coroutine

    error = both_ways(scenario, fail).error
    assert (error.type, error.args) == (RuntimeError, ("'cannot reuse already awaited coroutine'",))


def test_a_closed_coroutine_cannot_be_awaited(both_ways):
    async def scenario(library, seen):
        coroutine = give(library, 1)
        coroutine.close()
        await coroutine

    assert both_ways(scenario).error.args == ("'cannot reuse already awaited coroutine'",)


def test_a_coroutine_that_another_task_awaits_cannot_be_awaited(both_ways):
    async def wait(event):
        await event.wait()
        return "result"

    async def scenario(library, seen, wait):
        event = library.event()
        coroutine = wait(event)

        async def owner():
            return await coroutine

        async def other():
            await library.checkpoint()
            await library.checkpoint()
            try:
                await coroutine
            except RuntimeError as error:
                seen.append(str(error))
            event.set()

        seen.append((await library.gather(owner, other))[0])

    assert both_ways(scenario, wait).seen == ["coroutine is being awaited already", "result"]


def test_a_portal_refuses_a_coroutine_that_another_task_awaits(library):
    async def main():
        event = library.event()

        async def wait():
            await event.wait()
            return "result"

        coroutine = wait()

        def other():
            with pytest.raises(RuntimeError, match=r"^coroutine is being awaited already$"):
                await_(coroutine)
            await_(library.checkpoint())
            event.set()

        async def owner():
            return await coroutine

        async def portal():
            await library.checkpoint()
            await library.checkpoint()
            await with_portal_run_sync(other)

        results = await library.gather(owner, portal)
        return results[0]

    assert library.run(main) == "result"


def test_a_coroutine_that_waits_inside_another_portal_is_refused(library):
    async def main():
        event = library.event()

        async def wait():
            await event.wait()
            return "result"

        coroutine = wait()

        def other():
            with pytest.raises(RuntimeError, match=r"^coroutine is being awaited already$"):
                await_(coroutine)
            await_(library.checkpoint())
            event.set()

        async def first():
            return await with_portal_run_sync(lambda: await_(coroutine))

        async def second():
            await library.checkpoint()
            await library.checkpoint()
            await with_portal_run_sync(other)

        return (await library.gather(first, second))[0]

    assert library.run(main) == "result"


def test_a_coroutine_that_is_suspended_through_a_nested_await_is_refused(library):
    # It looks as if it were executing: its frame is on the stack of the other portal.
    async def main():
        event = library.event()

        async def wait():
            await_(event.wait())
            return "result"

        coroutine = wait()

        def other():
            with pytest.raises((RuntimeError, ValueError), match="already"):
                await_(coroutine)
            await_(library.checkpoint())
            event.set()

        async def first():
            return await with_portal_run_sync(lambda: await_(coroutine))

        async def second():
            await library.checkpoint()
            await library.checkpoint()
            await with_portal_run_sync(other)

        return (await library.gather(first, second))[0]

    assert library.run(main) == "result"


def test_a_coroutine_cannot_await_itself_while_it_executes(library):
    def run():
        coroutine = None

        async def itself():
            with pytest.raises(ValueError, match=r"^coroutine already executing$"):
                await_(coroutine)
            await library.checkpoint()
            return "went on"

        coroutine = itself()
        return await_(coroutine)

    assert library.run(with_portal_run_sync, run) == "went on"


def test_a_native_await_of_itself_gives_the_same_error(library):
    async def main():
        coroutine = None

        async def itself():
            with pytest.raises(ValueError, match=r"^coroutine already executing$"):
                await coroutine

        coroutine = itself()
        await coroutine

    library.run(main)


def test_the_coroutine_of_a_portal_can_be_awaited(library):
    def run():
        return await_(with_portal_run_sync(lambda: await_(give(library, 1))))

    assert library.run(with_portal_run_sync, run) == 1


def test_a_raw_portal_can_be_awaited_once(library):
    from switchback._engine import open_call_portal

    def run():
        portal = open_call_portal(lambda: await_(give(library, 1)), ())
        first = await_(portal)
        with pytest.raises(RuntimeError, match=r"^cannot reuse already awaited coroutine$"):
            await_(portal)
        return first

    assert library.run(with_portal_run_sync, run) == 1
