"""autoawait, decorate_as_sync, async_context and async_iter."""

import contextlib
import functools
import inspect
import sys
import weakref

import pytest
from conftest import run_both_ways

from switchback import (
    NoPortalError,
    async_context,
    async_iter,
    autoawait,
    await_,
    decorate_as_sync,
    with_portal_run_sync,
)

# autoawait


def test_autoawait_makes_a_synchronous_function(library):
    @autoawait
    async def add(first, *, second):
        await library.checkpoint()
        return first + second

    assert not inspect.iscoroutinefunction(add)
    assert library.run(with_portal_run_sync, lambda: add(1, second=2)) == 3


def test_autoawait_raises_what_the_function_raises(library):
    @autoawait
    async def fail():
        await library.checkpoint()
        raise KeyError("x")

    def run():
        with pytest.raises(KeyError):
            fail()
        return "went on"

    assert library.run(with_portal_run_sync, run) == "went on"


def test_autoawait_makes_methods_and_properties(library):
    class Thing:
        @autoawait
        async def method(self, value):
            await library.checkpoint()
            return self, value

        @property
        @autoawait
        async def value(self):
            await library.checkpoint()
            return "value"

        @classmethod
        @autoawait
        async def make(cls):
            return cls

    def run():
        thing = Thing()
        assert thing.method(1) == (thing, 1)
        assert Thing.make() is Thing
        return thing.value

    assert library.run(with_portal_run_sync, run) == "value"


def test_autoawait_keeps_the_metadata_of_the_function():
    async def documented(value: int) -> int:
        """Its documentation."""
        return value

    documented.attribute = "kept"
    made = autoawait(documented)
    assert made.__name__ == "documented"
    assert made.__qualname__ == documented.__qualname__
    assert made.__doc__ == "Its documentation."
    assert made.__module__ == __name__
    assert made.__wrapped__ is documented
    assert made.attribute == "kept"
    assert inspect.signature(made) == inspect.signature(documented)


def test_autoawait_takes_a_function_that_returns_any_awaitable(library):
    def give_awaitable(value):
        async def give():
            await library.checkpoint()
            return value

        return give()

    assert library.run(with_portal_run_sync, autoawait(give_awaitable), "result") == "result"


def test_autoawait_outside_of_a_portal_is_an_error():
    @autoawait
    async def nothing():
        pass

    with pytest.raises(NoPortalError):
        nothing()


# decorate_as_sync


def test_a_decorator_of_synchronous_functions_serves_an_async_one(library):
    calls = []

    @decorate_as_sync(functools.lru_cache(maxsize=None))
    async def look_up(key):
        await library.checkpoint()
        calls.append(key)
        return key * 2

    async def main():
        return [await look_up(key) for key in (1, 2, 1)]

    assert library.run(main) == [2, 4, 2]
    assert calls == [1, 2]


def test_what_the_decorator_returned_is_reachable(library):
    @decorate_as_sync(functools.lru_cache(maxsize=None))
    async def look_up(key):
        return key

    async def main():
        await look_up(1)
        await look_up(1)

    library.run(main)
    assert look_up.__wrapped__.cache_info().hits == 1
    assert look_up.__name__ == "look_up"
    assert inspect.iscoroutinefunction(look_up)


def test_a_decorator_around_the_call_sees_exceptions(library):
    def retry(function):
        @functools.wraps(function)
        def retrying():
            for _ in range(2):
                with contextlib.suppress(KeyError):
                    return function()
            return function()

        return retrying

    attempts = []

    @decorate_as_sync(retry)
    async def unreliable():
        await library.checkpoint()
        attempts.append(1)
        if len(attempts) < 3:
            raise KeyError
        return len(attempts)

    assert library.run(unreliable) == 3


def test_a_context_manager_serves_as_decorator(library):
    log = []

    @contextlib.contextmanager
    def managed():
        log.append("enter")
        try:
            yield
        finally:
            log.append("exit")

    @decorate_as_sync(managed())
    async def work():
        log.append("before")
        await library.checkpoint()
        log.append("after")

    library.run(work)
    assert log == ["enter", "before", "after", "exit"]


def test_a_decorated_method(library):
    def double(function):
        return functools.wraps(function)(lambda *args: function(*args) * 2)

    class Thing:
        @decorate_as_sync(double)
        async def method(self, value):
            await library.checkpoint()
            return value

    assert library.run(Thing().method, 2) == 4


# async_context


class Manager:
    def __init__(self, library, seen, *, suppress=False, enter=None, exit=None):
        self.library, self.seen = library, seen
        self.suppress, self.enter, self.exit = suppress, enter, exit

    async def __aenter__(self):
        await self.library.checkpoint()
        self.seen.append("enter")
        if self.enter is not None:
            raise self.enter
        return "entered"

    async def __aexit__(self, *error):
        await self.library.checkpoint()
        self.seen.append(("exit", repr(error[1]), repr(sys.exception())))
        if self.exit is not None:
            raise self.exit
        return self.suppress


def test_a_context_is_entered_and_left(both_ways):
    async def scenario(library, seen):
        async with Manager(library, seen) as value:
            seen.append(value)

    assert both_ways(scenario).seen == ["enter", "entered", ("exit", "None", "None")]


def test_a_context_sees_the_exception_of_its_body(both_ways):
    async def scenario(library, seen):
        async with Manager(library, seen):
            raise ValueError("body")

    outcome = both_ways(scenario)
    assert outcome.seen[1] == ("exit", "ValueError('body')", "ValueError('body')")
    assert outcome.error.type is ValueError
    assert outcome.error.names == ["scenario"]


def test_a_context_may_suppress_the_exception_of_its_body(both_ways):
    async def scenario(library, seen):
        async with Manager(library, seen, suppress=True):
            raise ValueError("body")
        seen.append("went on")

    outcome = both_ways(scenario)
    assert outcome.seen[-1] == "went on"
    assert outcome.error is None


def remove_frames_of_the_package(error):
    # async_context is a Python class, unlike await_().
    if error is not None:
        error.frames = [
            frame for frame in error.frames if frame[0] not in ("__enter__", "__exit__")
        ]
        remove_frames_of_the_package(error.cause)
        remove_frames_of_the_package(error.context)


def compare_but_for_frames(library, async_fn):
    native, in_portal = run_both_ways(library, async_fn)
    remove_frames_of_the_package(in_portal.error)
    assert in_portal == native
    return in_portal


def test_an_exception_when_entering_a_context_passes_through(library):
    async def scenario(library, seen):
        async with Manager(library, seen, enter=KeyError("entering")):
            seen.append("not reached")

    outcome = compare_but_for_frames(library, scenario)
    assert outcome.seen == ["enter"]
    assert outcome.error.type is KeyError


def test_an_exception_when_leaving_a_context_replaces_that_of_the_body(library):
    async def scenario(library, seen):
        async with Manager(library, seen, exit=KeyError("leaving")):
            raise ValueError("body")

    error = compare_but_for_frames(library, scenario).error
    assert error.type is KeyError
    assert error.context.type is ValueError


def test_an_exception_when_leaving_a_context_after_success_passes_through(library):
    async def scenario(library, seen):
        async with Manager(library, seen, exit=KeyError("leaving")):
            pass

    error = compare_but_for_frames(library, scenario).error
    assert error.type is KeyError
    assert error.context is None


def test_contexts_nest_in_one_with_statement(both_ways):
    async def scenario(library, seen):
        async with Manager(library, seen), Manager(library, seen, suppress=True):
            raise ValueError("body")

    seen = both_ways(scenario).seen
    assert [what if what == "enter" else what[1] for what in seen] == [
        "enter",
        "enter",
        "ValueError('body')",
        "None",
    ]


def test_an_async_context_manager_made_of_a_generator(both_ways):
    @contextlib.asynccontextmanager
    async def managed(library, seen):
        await library.checkpoint()
        try:
            yield "value"
        except KeyError as error:
            seen.append(repr(error))
        finally:
            await library.checkpoint()
            seen.append("closed")

    async def scenario(library, seen, managed):
        async with managed(library, seen) as value:
            seen.append(value)
            raise KeyError("caught")

    assert both_ways(scenario, managed).seen == ["value", "KeyError('caught')", "closed"]


def test_an_async_exit_stack(both_ways):
    async def scenario(library, seen):
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(Manager(library, seen))
            seen.append("body")

    assert both_ways(scenario).seen == ["enter", "body", ("exit", "None", "None")]


def test_what_is_no_context_manager_is_refused_in_the_interpreters_words(library):
    class OnlyEnter:
        async def __aenter__(self):
            pass

    class OnlyExit:
        async def __aexit__(self, *error):
            pass

    async def text_of_native(thing):
        with pytest.raises(TypeError) as caught:
            async with thing:
                pass
        return str(caught.value)

    def text_of_ours(thing):
        with pytest.raises(TypeError) as caught, async_context(thing):
            pass
        return str(caught.value)

    async def main():
        synchronous = memoryview(b"")
        for thing in (42, OnlyEnter(), OnlyExit(), contextlib.nullcontext, synchronous):
            assert await with_portal_run_sync(text_of_ours, thing) == await text_of_native(thing)

    library.run(main)


# async_iter


async def count(library, seen, stop=3):
    try:
        for number in range(stop):
            await library.checkpoint()
            yield number
    finally:
        await library.checkpoint()
        seen.append("closed")


def test_an_async_generator_is_iterated(both_ways):
    async def scenario(library, seen):
        async for number in count(library, seen):
            seen.append(number)
        else:
            seen.append("else")

    assert both_ways(scenario).seen == [0, 1, 2, "closed", "else"]


def test_async_iter_serves_whatever_takes_an_iterator(library):
    def run():
        listed = list(async_iter(count(library, [])))
        zipped = dict(zip(async_iter(count(library, [])), "abc", strict=True))
        return (
            listed,
            sum(async_iter(count(library, []))),
            zipped,
            max(number for number in async_iter(count(library, []))),
        )

    assert library.run(with_portal_run_sync, run) == ([0, 1, 2], 3, {0: "a", 1: "b", 2: "c"}, 2)


def test_an_exception_of_an_async_generator_passes_through(library):
    async def failing(library):
        yield 1
        await library.checkpoint()
        raise KeyError("x")

    def run():
        numbers = async_iter(failing(library))
        assert next(numbers) == 1
        with pytest.raises(KeyError) as caught:
            next(numbers)
        assert caught.value.__context__ is None
        return list(numbers)

    assert library.run(with_portal_run_sync, run) == []


def test_the_end_of_the_iteration_is_a_stop_iteration_without_a_trace_of_ours(library):
    def run():
        numbers = async_iter(count(library, [], stop=0))
        with pytest.raises(StopIteration) as caught:
            next(numbers)
        assert caught.value.args == ()
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        with pytest.raises(StopIteration):
            next(numbers)
        return next(numbers, "default")

    assert library.run(with_portal_run_sync, run) == "default"


def test_the_traceback_of_an_error_keeps_no_awaitable_alive(library):
    class Awaitable:
        def __await__(self):
            return map(int, ["not a number"])

    class Numbers:
        def __aiter__(self):
            return self

        def __anext__(self):
            awaitable = Awaitable()
            references.append(weakref.ref(awaitable))
            return awaitable

    references = []

    def run():
        with pytest.raises(ValueError, match="not a number") as caught:
            next(async_iter(Numbers()))
        return caught.value, [reference() for reference in references]

    error, awaitables = library.run(with_portal_run_sync, run)
    assert error.__traceback__ is not None
    assert awaitables == [None]


def test_a_generator_that_is_left_early_may_be_closed(library):
    seen = []

    def run():
        with contextlib.closing(async_iter(count(library, seen))) as numbers:
            for number in numbers:
                seen.append(number)
                break
        seen.append("after")
        return list(numbers)

    assert library.run(with_portal_run_sync, run) == []
    assert seen == [0, "closed", "after"]


def test_a_generator_that_is_left_early_and_dropped_is_finalized_by_the_loop(asyncio_library):
    # As of a native `async for` that is left early, the event loop's hooks see to it.
    seen = []

    def run():
        for number in async_iter(count(asyncio_library, seen)):
            seen.append(number)
            break
        for _ in range(10):
            await_(asyncio_library.checkpoint())

    asyncio_library.run(with_portal_run_sync, run)
    assert seen == [0, "closed"]


def test_closing_twice_or_before_the_start_is_no_error(library):
    seen = []

    def run():
        numbers = async_iter(count(library, seen))
        numbers.close()
        numbers.close()
        return list(numbers)

    assert library.run(with_portal_run_sync, run) == []
    assert seen == []


async def echo(library, seen):
    got = None
    while True:
        await library.checkpoint()
        try:
            got = yield got
        except ValueError as error:
            seen.append(repr(error))
            got = "caught"


def test_a_value_is_sent_into_an_async_generator(library):
    def run():
        echoing = async_iter(echo(library, []))
        values = [next(echoing), echoing.send("first"), echoing.send("second"), next(echoing)]
        echoing.close()
        return values

    assert library.run(with_portal_run_sync, run) == [None, "first", "second", None]


def test_an_exception_is_thrown_into_an_async_generator(library):
    seen = []

    def run():
        echoing = async_iter(echo(library, seen))
        next(echoing)
        value = echoing.throw(ValueError("thrown"))
        with pytest.raises(KeyError):
            echoing.throw(KeyError("not caught"))
        return value, list(echoing)

    assert library.run(with_portal_run_sync, run) == ("caught", [])
    assert seen == ["ValueError('thrown')"]


def test_sending_a_value_before_the_start_is_the_generators_error(library):
    def run():
        echoing = async_iter(echo(library, []))
        with pytest.raises(TypeError, match="can't send non-None value to a just-started"):
            echoing.send(1)
        echoing.close()

    library.run(with_portal_run_sync, run)


def test_the_end_of_a_generator_after_a_throw_is_a_stop_iteration(library):
    async def catching(library):
        try:
            yield 1
        except ValueError:
            await library.checkpoint()

    def run():
        numbers = async_iter(catching(library))
        next(numbers)
        with pytest.raises(StopIteration):
            numbers.throw(ValueError())
        return "went on"

    assert library.run(with_portal_run_sync, run) == "went on"


def test_a_generator_delegates_to_an_async_one(library):
    seen = []

    def outer():
        yield "before"
        yield from async_iter(echo(library, seen))

    def run():
        generator = outer()
        values = [next(generator), next(generator), generator.send("sent")]
        values.append(generator.throw(ValueError("thrown")))
        generator.close()
        return values

    assert library.run(with_portal_run_sync, run) == ["before", None, "sent", "caught"]
    assert seen == ["ValueError('thrown')"]


class Numbers:
    """An async iterator that is no generator."""

    def __init__(self, library, stop=3):
        self.library, self.numbers = library, iter(range(stop))

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.library.checkpoint()
        for number in self.numbers:
            return number
        raise StopAsyncIteration("with", "arguments")


def test_an_async_iterator_that_is_no_generator(library):
    assert library.run(with_portal_run_sync, lambda: list(async_iter(Numbers(library)))) == [
        0,
        1,
        2,
    ]


def test_the_arguments_of_the_end_are_kept(library):
    def run():
        with pytest.raises(StopIteration) as caught:
            next(async_iter(Numbers(library, stop=0)))
        return caught.value.args

    assert library.run(with_portal_run_sync, run) == ("with", "arguments")


def test_an_iterator_without_generator_methods_offers_none():
    numbers = async_iter(Numbers(None))
    for name in ("send", "throw", "close"):
        assert not hasattr(numbers, name)


def test_an_iterable_may_be_another_object_than_its_iterator(library):
    class Iterable:
        def __aiter__(self):
            return Numbers(library)

    assert library.run(with_portal_run_sync, lambda: list(async_iter(Iterable()))) == [0, 1, 2]


def test_a_stop_iteration_from_an_async_iterator_is_no_end(library):
    # Raised inside of a coroutine it is an error, not the end.
    class Iterator(Numbers):
        async def __anext__(self):
            await self.library.checkpoint()
            raise StopIteration

    def run():
        with pytest.raises(RuntimeError, match="coroutine raised StopIteration"):
            next(async_iter(Iterator(library)))
        return "went on"

    assert library.run(with_portal_run_sync, run) == "went on"


def test_an_iterator_whose_anext_is_no_coroutine(library):
    import types

    @types.coroutine
    def give():
        yield from library.checkpoint().__await__()
        return "value"

    class Iterator:
        def __aiter__(self):
            return self

        def __anext__(self):
            return give()

    assert library.run(with_portal_run_sync, lambda: next(async_iter(Iterator()))) == "value"


@pytest.mark.parametrize("thing", [42, [], (n for n in ())], ids=lambda thing: type(thing).__name__)
def test_what_is_no_async_iterable_is_refused(thing):
    with pytest.raises(TypeError, match=f"__aiter__ method, got {type(thing).__name__}"):
        async_iter(thing)


def test_an_aiter_that_returns_no_async_iterator_is_refused():
    class Thing:
        def __aiter__(self):
            return 42

    with pytest.raises(TypeError, match="does not implement __anext__: int"):
        async_iter(Thing())


def test_iterating_outside_of_a_portal_is_an_error():
    with pytest.raises(NoPortalError):
        next(async_iter(Numbers(None)))


def test_many_tasks_iterate_at_once(library):
    def run(number):
        return [value * number for value in async_iter(count(library, []))]

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(20)]
        return await library.gather(*calls)

    assert library.run(main) == [[0, number, number * 2] for number in range(20)]
