"""async_context."""

import contextlib
import sys

import pytest
from support.same_as_await import run_both_ways

from switchback import (
    async_context,
    with_portal_run_sync,
)


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
