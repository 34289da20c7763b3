"""async_iter."""

import contextlib
import weakref

import pytest

from switchback import (
    NoPortalError,
    async_iter,
    await_,
    with_portal_run_sync,
)


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
