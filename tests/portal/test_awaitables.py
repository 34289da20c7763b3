"""await_() takes whatever `await` takes, and refuses the rest in the same words."""

import asyncio
import contextlib
import re
import types

import pytest

from switchback import await_, with_portal_run_sync


async def give(library, value):
    await library.checkpoint()
    return value


def outcome_of(coroutine, *messages):
    """Drive a coroutine by hand; what it yields, and how it ends."""
    log = []
    messages = list(messages)
    step, argument = coroutine.send, None
    while True:
        try:
            log.append(("yields", step(argument)))
        except StopIteration as stop:
            log.append(("returns", stop.value))
            return log
        except BaseException as error:
            log.append(("raises", type(error), str(error)))
            return log
        if not messages:
            coroutine.close()
            log.append("closed")
            return log
        argument = messages.pop(0)
        step = coroutine.throw if isinstance(argument, BaseException) else coroutine.send


def outcomes(make, *messages):
    """The same for a coroutine that awaits what `make` makes, natively and in a portal."""

    async def native():
        return await make()

    def in_portal():
        return await_(make())

    return outcome_of(native(), *messages), outcome_of(with_portal_run_sync(in_portal), *messages)


def expect_same(make, *messages):
    native, in_portal = outcomes(make, *messages)
    assert in_portal == native
    return in_portal


class ByGenerator:
    def __await__(self):
        try:
            got = yield "first"
        except KeyError:
            got = "caught"
        return got, (yield "second")


class NextOnly:
    """An iterator that knows nothing of generators."""

    def __init__(self):
        self.left = 2

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration("end")
        self.left -= 1
        return self.left


class Recorder:
    """An iterator that has all of a generator's methods and notes their calls."""

    def __init__(self, log):
        self.log = log

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        self.log.append("next")
        return "from next"

    def send(self, value):
        self.log.append(("send", value))
        if value == "end":
            raise StopIteration(("from", "send"))
        return "from send"

    def throw(self, error):
        self.log.append(("throw", error))
        if isinstance(error, ValueError):
            raise StopIteration("from throw")
        if isinstance(error, KeyError):
            raise error
        return "from throw"

    def close(self):
        self.log.append("close")


class Returning:
    def __init__(self, returned):
        self.returned = returned

    def __await__(self):
        return self.returned


class Raising:
    def __init__(self, error):
        self.error = error

    def __await__(self):
        raise self.error


@types.coroutine
def marked_generator():
    got = yield "trap"
    return [got]


def plain_generator():
    yield


@pytest.mark.parametrize(
    "messages",
    [(1, 2), (KeyError(), 2), (ValueError("x"),), (1, ValueError("y")), (1,), ((1, 2), (3,))],
    ids=repr,
)
def test_an_object_whose_await_is_a_generator(messages):
    log = expect_same(ByGenerator, *messages)
    assert log[0] == ("yields", "first")


@pytest.mark.parametrize(
    "messages",
    [
        (None, None),
        (None, "a value"),
        ("a value",),
        (ValueError("thrown"),),
        (GeneratorExit(),),
        (),
    ],
    ids=repr,
)
def test_an_iterator_with_nothing_but_next(messages):
    log = expect_same(NextOnly, *messages)
    assert log[0] == ("yields", 1)


@pytest.mark.parametrize(
    "messages",
    [
        (None, "value", "end"),
        (ValueError("ends it"),),
        (KeyError("passes"),),
        (OSError("swallowed"), "end"),
        (GeneratorExit(),),
        ((1, 2), [3], "end"),
        (),
    ],
    ids=repr,
)
def test_an_iterator_with_send_throw_and_close(messages):
    native_log, portal_log = [], []
    logs = iter((native_log, portal_log))
    expect_same(lambda: Recorder(next(logs)), *messages)
    assert portal_log == native_log
    assert portal_log[0] == "next"


def test_closing_a_portal_closes_the_iterator_that_it_waits_for():
    log = []
    portal = with_portal_run_sync(lambda: await_(Recorder(log)))
    portal.send(None)
    portal.close()
    assert log == ["next", "close"]


@pytest.mark.parametrize("messages", [(5,), (ValueError("x"),), (GeneratorExit(),), ()], ids=repr)
def test_a_generator_marked_as_a_coroutine(messages):
    log = expect_same(marked_generator, *messages)
    assert log[0] == ("yields", "trap")


def test_an_await_that_returns_a_marked_generator_object_is_refused():
    log = expect_same(lambda: Returning(marked_generator()))
    [(what, kind, text)] = log
    assert (what, kind) == ("raises", TypeError)
    assert re.search(r"__await__\(\) .* coroutine$", text)


def test_an_await_that_returns_a_coroutine_is_refused():
    async def nothing():
        pass

    coroutines = [nothing(), nothing()]
    given = iter(coroutines)
    log = expect_same(lambda: Returning(next(given)))
    for coroutine in coroutines:
        coroutine.close()
    [(what, kind, text)] = log
    assert (what, kind) == ("raises", TypeError)
    assert re.search(r"__await__\(\) .* coroutine$", text)


@pytest.mark.parametrize("returned", [42, None, "text", [1]], ids=repr)
def test_an_await_that_returns_no_iterator_is_refused(returned):
    [(what, kind, text)] = expect_same(lambda: Returning(returned))
    assert (what, kind) == ("raises", TypeError)
    assert "iterator" in text


@pytest.mark.parametrize("returned", [iter([1, 2]), iter({}), map(str, [1])], ids=repr)
def test_an_await_that_returns_any_iterator_is_taken(returned):
    items = list(returned)
    log = expect_same(lambda: Returning(iter(items)), *[None] * len(items))
    assert log[-1] == ("returns", None)


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), StopIteration("y"), TypeError("z"), GeneratorExit(), AttributeError("a")],
    ids=repr,
)
def test_an_await_that_raises(error):
    native, in_portal = outcomes(lambda: Raising(error))
    if isinstance(error, StopIteration):
        # As everywhere, a StopIteration may not leave a coroutine.
        assert native == [("raises", RuntimeError, "coroutine raised StopIteration")]
    assert in_portal == native


def test_an_await_that_raises_stop_iteration_has_no_result():
    def run():
        with pytest.raises(StopIteration) as caught:
            await_(Raising(StopIteration("y")))
        return caught.value.value

    assert outcome_of(with_portal_run_sync(run)) == [("returns", "y")]


class AwaitOnInstance:
    pass


on_instance = AwaitOnInstance()
on_instance.__await__ = lambda: iter(())


class AwaitIsNone:
    __await__ = None


@pytest.mark.parametrize(
    "thing",
    [42, None, "text", [], object(), len, AwaitOnInstance, ByGenerator, on_instance, AwaitIsNone()],
    ids=lambda thing: getattr(thing, "__name__", type(thing).__name__),
)
def test_what_is_not_awaitable_is_refused_in_the_interpreters_words(thing):
    [(what, kind, _)] = expect_same(lambda: thing)
    assert (what, kind) == ("raises", TypeError)


def test_a_plain_generator_is_refused_in_the_interpreters_words():
    log = expect_same(plain_generator)
    assert log[0][1] is TypeError
    assert re.search(r"\bgenerator\b.* can't be (used in 'await'|awaited)", log[0][2])


def test_an_async_generator_is_refused_in_the_interpreters_words():
    async def numbers():
        yield 1

    log = expect_same(numbers)
    assert log[0][1] is TypeError
    assert re.search(r"\basync_generator\b.* can't be (used in 'await'|awaited)", log[0][2])


def test_await_takes_one_argument():
    with pytest.raises(TypeError):
        await_()
    with pytest.raises(TypeError):
        await_(1, 2)


class NamedAwaitable:
    pass


def test_a_type_error_names_the_type_as_the_interpreter_does():
    class Local:
        pass

    expect_same(Local)
    expect_same(NamedAwaitable)
    expect_same(lambda: types.SimpleNamespace())


@types.coroutine
def trap():
    return (yield "trap")


class Async:
    """An async generator that notes what it sees."""

    def __init__(self):
        self.log = []

    async def generate(self):
        try:
            got = await trap()
            while True:
                try:
                    got = yield got
                except ValueError:
                    self.log.append("caught")
                    got = await trap()
        finally:
            self.log.append("finally")


@pytest.mark.parametrize("method", ["__anext__", "asend", "athrow", "aclose"])
@pytest.mark.parametrize("messages", [(1,), (KeyError("k"),), (GeneratorExit(),), ()], ids=repr)
def test_the_awaitables_of_an_async_generator(method, messages):
    def make():
        generator = Async().generate()
        if method in ("athrow", "aclose"):
            start = generator.__anext__()
            with pytest.raises(StopIteration):
                start.send(None)
                start.send("started")
        arguments = {"__anext__": (), "asend": (None,), "athrow": (ValueError(),), "aclose": ()}
        return getattr(generator, method)(*arguments[method])

    log = expect_same(make, *messages)
    assert len(log) >= 1


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


FAULTY = {
    "42": lambda: 42,
    "none": lambda: None,
    "a plain generator": plain_generator,
    "await raises": lambda: Raising(KeyError("x")),
    "await returns an int": lambda: Returning(1),
    "await returns a generator coroutine": lambda: Returning(marked_generator()),
}


@pytest.mark.parametrize("make", FAULTY.values(), ids=FAULTY.keys())
def test_after_a_refusal_the_portal_and_the_loop_go_on(library, make):
    def run(number):
        for _ in range(3):
            with pytest.raises((TypeError, KeyError)):
                await_(make())
            await_(library.checkpoint())
        return await_(give(library, number))

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(5)]
        return await library.gather(*calls)

    assert library.run(main) == list(range(5))


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
