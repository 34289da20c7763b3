"""Levels of synchronous and async functions, and of portals, nest as functions do."""

import asyncio
import contextlib
import sys
import traceback

import pytest
from support.coroutines import give

from switchback import _engine, await_, with_portal_run, with_portal_run_sync


def descend(library, depth, at_the_bottom):
    """Goes down through pairs of a synchronous and an async function."""

    async def step():
        await library.checkpoint()
        value = at_the_bottom() if depth == 1 else descend(library, depth - 1, at_the_bottom)
        await library.checkpoint()
        return value + 1

    await_(library.checkpoint())
    return await_(step())


@pytest.mark.parametrize("depth", [1, 5, 50])
def test_sync_and_async_functions_nest(library, depth):
    def bottom():
        await_(library.checkpoint())
        return 0

    assert library.run(with_portal_run_sync, descend, library, depth, bottom) == depth


@pytest.mark.parametrize("depth", [1, 5, 50])
def test_an_exception_passes_every_nested_level(library, depth):
    error = ValueError("from the bottom")

    def bottom():
        await_(library.checkpoint())
        raise error

    async def main():
        with pytest.raises(ValueError) as caught:
            await with_portal_run_sync(descend, library, depth, bottom)
        assert caught.value is error
        return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    names = library.run(main)
    assert names[2:] == ["descend", "step"] * depth + ["bottom"]


@pytest.mark.parametrize("depth", [1, 5, 50])
def test_nested_levels_of_concurrent_tasks_interleave(library, depth):
    def run(number):
        def bottom():
            await_(library.sleep(0.001 * (number * 7 % 5)))
            return number * 1000

        return descend(library, depth, bottom)

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(10)]
        return await library.gather(*calls)

    assert library.run(main) == [number * 1000 + depth for number in range(10)]


@pytest.mark.parametrize("depth", [1, 5, 50])
def test_portals_nested_in_portals_work(library, depth):
    def run(level):
        await_(library.checkpoint())
        if level == 0:
            return 0
        return await_(with_portal_run_sync(run, level - 1)) + 1

    assert library.run(with_portal_run_sync, run, depth) == depth


def test_handled_exceptions_of_nested_levels_stay_where_they_are(library):
    def run(level):
        try:
            raise ValueError(level)
        except ValueError:
            if level:
                await_(again(level - 1))
            await_(library.checkpoint())
            assert sys.exception().args == (level,)
            # The handler of the level above is what this exception occurred in.
            above = sys.exception().__context__
            assert above is None if level == 5 else above.args == (level + 1,)

    async def again(level):
        await library.checkpoint()
        run(level)

    library.run(with_portal_run_sync, run, 5)


def test_with_portal_run_awaits_the_function_as_await_does(library):
    async def work(first, *, second):
        await_(library.checkpoint())
        return first, second

    async def main():
        return await with_portal_run(work, 1, second=2)

    # Keyword arguments pass through as well.
    assert library.run(main) == (1, 2)


def test_recursion_in_a_portal_ends_in_recursion_error_and_the_portal_goes_on(library):
    def recurse():
        recurse()

    def run():
        with pytest.raises(RecursionError):
            recurse()
        return await_(give(library, "went on"))

    assert library.run(with_portal_run_sync, run) == "went on"


def test_alternating_recursion_ends_in_recursion_error_and_the_portal_goes_on(library):
    def recurse():
        await_(again())

    async def again():
        await library.checkpoint()
        recurse()

    def run():
        with pytest.raises(RecursionError):
            recurse()
        return await_(give(library, "went on"))

    assert library.run(with_portal_run_sync, run) == "went on"


@pytest.mark.needs_native(reason="greenlet hides the frames below a greenlet from those in it")
def test_the_caller_of_await_is_on_the_stack_as_of_an_await(library):
    async def look():
        names = []
        frame = sys._getframe()
        while frame is not None and frame.f_code.co_name != "main":
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        return names

    async def look_later():
        await library.checkpoint()
        return await look()

    def run():
        return await_(look()), await_(look_later())

    async def main():
        return await with_portal_run_sync(run)

    assert library.run(main) == (
        ["look", "run", "with_portal_run_sync"],
        ["look", "look_later", "run", "with_portal_run_sync"],
    )


@pytest.mark.quick
@pytest.mark.unknown_minor
def test_portals_nested_in_portals_end_in_a_recursion_error():
    async def main():
        levels = []

        def nested():
            levels.append(1)
            portal = _engine.open_call_portal(nested, ())
            with contextlib.suppress(StopIteration):
                portal.send(None)

        with pytest.raises(RecursionError):
            nested()
        return len(levels)

    assert asyncio.run(main()) > 100
    assert asyncio.run(with_portal_run(main)) > 100
