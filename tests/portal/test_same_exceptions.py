"""await_() raises what `await` would raise in its place, with the same traceback."""

import traceback

import pytest
from support.coroutines import CustomError, fail, fail_at_once

from switchback import await_, with_portal_run_sync

ERRORS = [
    ValueError("text"),
    KeyError("key"),
    CustomError(1, 2),
    StopAsyncIteration(3),
    GeneratorExit("exit"),
    BaseException("base"),
    OSError(2, "no such file"),
    ExceptionGroup("group", [ValueError(1), ExceptionGroup("inner", [KeyError(2)])]),
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_an_exception_after_a_checkpoint_passes_through_with_the_same_frames(both_ways, error):
    async def scenario(library, seen, error):
        error.__traceback__ = error.__context__ = None
        await fail(library, error)

    outcome = both_ways(scenario, error)
    assert outcome.error.type is type(error)
    assert outcome.error.names == ["scenario", "fail"]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_an_exception_without_a_checkpoint_passes_through_with_the_same_frames(both_ways, error):
    async def scenario(library, seen, error):
        error.__traceback__ = error.__context__ = None
        await fail_at_once(error)

    outcome = both_ways(scenario, error)
    assert outcome.error.type is type(error)
    assert outcome.error.names == ["scenario", "fail_at_once"]


def test_the_exception_is_the_same_object(library):
    error = ValueError()

    def run():
        with pytest.raises(ValueError) as caught:
            await_(fail(library, error))
        return caught.value

    assert library.run(with_portal_run_sync, run) is error


@pytest.mark.parametrize("suspends", [False, True])
def test_a_stop_iteration_raised_by_a_coroutine_becomes_a_runtime_error(both_ways, suspends):
    async def scenario(library, seen, suspends):
        if suspends:
            await fail(library, StopIteration("stop"))
        else:
            await fail_at_once(StopIteration("stop"))

    error = both_ways(scenario, suspends).error
    assert (error.type, error.args) == (RuntimeError, ("'coroutine raised StopIteration'",))
    assert error.cause.type is StopIteration


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, GeneratorExit])
def test_the_synchronous_part_may_raise_what_ends_coroutines(library, kind):
    def run():
        await_(library.checkpoint())
        raise kind("leaving")

    expected = RuntimeError if kind is StopIteration else kind

    async def main():
        with pytest.raises(expected) as caught:
            await with_portal_run_sync(run)
        if kind is StopIteration:
            assert type(caught.value.__cause__) is StopIteration

    library.run(main)


def test_a_stop_iteration_out_of_a_portal_of_a_function_is_not_taken_for_its_result(library):
    from switchback._engine import open_call_portal

    def run():
        raise StopIteration("not a result")

    async def main():
        with pytest.raises(RuntimeError, match=r"^coroutine raised StopIteration$") as caught:
            await open_call_portal(run, ())
        return type(caught.value.__cause__)

    assert library.run(main) is StopIteration


def test_caught_exceptions_have_the_same_traceback(both_ways):
    async def middle(library):
        await fail(library, ValueError("deep"))

    async def scenario(library, seen, middle):
        try:
            await middle(library)
        except ValueError as error:
            frames = traceback.extract_tb(error.__traceback__)
            seen.append([(frame.name, frame.lineno) for frame in frames])

    outcome = both_ways(scenario, middle)
    assert [name for name, _ in outcome.seen[0]] == ["scenario", "middle", "fail"]


def test_an_exception_reraised_keeps_one_line_per_frame(both_ways):
    async def scenario(library, seen):
        try:
            await fail(library, ValueError("first"))
        except ValueError:
            await library.checkpoint()
            raise

    assert both_ways(scenario).error.names == ["scenario", "fail"]


def test_an_exception_that_passes_two_portals_has_none_of_their_frames(library):
    async def innermost():
        await library.checkpoint()
        raise ValueError

    def inner():
        await_(innermost())

    async def middle():
        await library.checkpoint()
        inner()

    def outer():
        await_(middle())

    async def main():
        try:
            await with_portal_run_sync(outer)
        except ValueError as error:
            return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    assert library.run(main) == [
        "main",
        "with_portal_run_sync",
        "outer",
        "middle",
        "inner",
        "innermost",
    ]
