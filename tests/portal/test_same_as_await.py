"""await_() in a synchronous function does what `await` would do in its place."""

import sys
import traceback

import pytest

from switchback import await_, with_portal_run, with_portal_run_sync


class CustomError(Exception):
    pass


async def give(library, value):
    await library.checkpoint()
    return value


async def fail(library, error):
    await library.checkpoint()
    raise error


async def fail_at_once(error):
    raise error


VALUES = [
    None,
    0,
    "text",
    (),
    (1, 2),
    (None,),
    ValueError("as a value"),
    StopIteration("as a value"),
    StopIteration,
    ExceptionGroup("as a value", [ValueError()]),
    [],
    NotImplemented,
    Ellipsis,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_returned_after_a_checkpoint_is_the_same_object(library, value):
    def run():
        return await_(give(library, value))

    assert library.run(with_portal_run_sync, run) is value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_returned_without_a_checkpoint_is_the_same_object(library, value):
    async def give_at_once():
        return value

    def run():
        return await_(give_at_once())

    assert library.run(with_portal_run_sync, run) is value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_returned_by_the_portal_itself_is_the_same_object(library, value):
    def run():
        await_(library.checkpoint())
        return value

    assert library.run(with_portal_run_sync, run) is value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_returned_by_a_portal_that_never_suspends_is_the_same_object(library, value):
    assert library.run(with_portal_run_sync, lambda: value) is value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_send_reports_the_value_as_that_of_a_coroutine(value):
    portal = with_portal_run_sync(lambda: value)
    with pytest.raises(StopIteration) as caught:
        portal.send(None)
    assert caught.value.value is value


def test_values_sent_and_yielded_pass_through_unchanged():
    class Trap:
        def __init__(self, value):
            self.value = value

        def __await__(self):
            return (yield self.value)

    async def wait_twice():
        return await Trap((1, 2)), await Trap(StopIteration(5))

    def run():
        return await_(wait_twice())

    portal = with_portal_run_sync(run)
    assert portal.send(None) == (1, 2)
    trapped = portal.send((3, 4))
    assert type(trapped) is StopIteration and trapped.value == 5
    with pytest.raises(StopIteration) as caught:
        portal.send(ValueError("sent"))
    first, second = caught.value.value
    assert first == (3, 4)
    assert repr(second) == "ValueError('sent')"


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


def test_the_handled_exception_is_unchanged_after_await(both_ways):
    async def scenario(library, seen):
        try:
            raise ValueError("handled")
        except ValueError as error:
            seen.append(sys.exc_info()[1] is error)
            await library.checkpoint()
            seen.append(sys.exc_info()[1] is error)
            await give(library, 1)
            seen.append(sys.exception() is error)
        seen.append(sys.exc_info())

    assert both_ways(scenario).seen == [True, True, True, (None, None, None)]


def test_a_coroutine_sees_the_exception_that_its_caller_handles(both_ways):
    async def look(library, seen):
        seen.append(repr(sys.exception()))
        await library.checkpoint()
        seen.append(repr(sys.exception()))

    async def scenario(library, seen, look):
        await look(library, seen)
        try:
            raise ValueError("handled")
        except ValueError:
            await look(library, seen)

    outcome = both_ways(scenario, look)
    assert outcome.seen == ["None", "None", "ValueError('handled')", "ValueError('handled')"]


def test_an_exception_handled_in_a_coroutine_does_not_leak_into_its_caller(both_ways):
    async def handle(library):
        try:
            raise KeyError("inner")
        except KeyError:
            await library.checkpoint()

    async def scenario(library, seen, handle):
        await handle(library)
        seen.append(sys.exc_info())
        try:
            raise ValueError("outer")
        except ValueError:
            await handle(library)
            seen.append(repr(sys.exception()))
            raise

    outcome = both_ways(scenario, handle)
    assert outcome.seen == [(None, None, None), "ValueError('outer')"]
    assert outcome.error.type is ValueError
    assert outcome.error.context is None


def test_handled_exceptions_of_interleaved_tasks_stay_apart(library):
    def run(number):
        try:
            raise ValueError(number)
        except ValueError:
            for round in range(5):
                await_(library.sleep(0.001 * ((number * 7 + round) % 5)))
                assert sys.exception().args == (number,)
            try:
                raise
            except ValueError as error:
                return error.args[0]

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(20)]
        return await library.gather(*calls)

    assert library.run(main) == list(range(20))


def test_an_exception_during_handling_has_the_handled_one_as_context(both_ways):
    async def scenario(library, seen):
        try:
            raise ValueError("first")
        except ValueError:
            await fail(library, KeyError("second"))

    error = both_ways(scenario).error
    assert error.type is KeyError
    assert error.context.type is ValueError


def test_an_exception_raised_from_another_has_it_as_cause(both_ways):
    async def scenario(library, seen):
        try:
            await fail(library, ValueError("first"))
        except ValueError as error:
            await library.checkpoint()
            raise KeyError("second") from error

    error = both_ways(scenario).error
    assert error.cause.names == ["scenario", "fail"]
    assert error.context == error.cause


def test_raise_from_none_suppresses_the_context(both_ways):
    async def scenario(library, seen):
        try:
            await fail(library, ValueError("first"))
        except ValueError:
            await library.checkpoint()
            raise KeyError("second") from None

    error = both_ways(scenario).error
    assert error.cause is None
    assert error.suppress_context


def test_an_exception_in_finally_has_the_one_under_way_as_context(both_ways):
    async def scenario(library, seen):
        try:
            try:
                await fail(library, ValueError("first"))
            finally:
                await library.checkpoint()
                await fail(library, KeyError("second"))
        finally:
            seen.append(repr(sys.exception()))
            await library.checkpoint()

    outcome = both_ways(scenario)
    assert outcome.seen == ["KeyError('second')"]
    assert outcome.error.context.type is ValueError


def test_the_context_chain_reaches_through_nested_handlers(both_ways):
    async def inner(library):
        try:
            await fail(library, ValueError("2"))
        except ValueError:
            await fail(library, ValueError("3"))

    async def scenario(library, seen, inner):
        try:
            await fail(library, ValueError("1"))
        except ValueError:
            await inner(library)

    error = both_ways(scenario, inner).error
    assert [error.args, error.context.args, error.context.context.args] == [
        ("'3'",),
        ("'2'",),
        ("'1'",),
    ]


def test_an_exception_thrown_at_the_trap_gets_the_handled_one_as_context():
    class Trap:
        def __await__(self):
            yield

    async def wait():
        await Trap()

    async def native(seen):
        try:
            raise ValueError("handled")
        except ValueError:
            await wait()

    def run():
        try:
            raise ValueError("handled")
        except ValueError:
            await_(wait())

    def contexts(coroutine):
        coroutine.send(None)
        with pytest.raises(KeyError) as caught:
            coroutine.throw(KeyError("thrown"))
        return repr(caught.value.__context__), repr(caught.value.__cause__)

    assert (
        contexts(with_portal_run_sync(run))
        == contexts(native([]))
        == ("ValueError('handled')", "None")
    )


def test_exception_groups_split_by_except_star(both_ways):
    async def scenario(library, seen):
        try:
            await fail(library, ExceptionGroup("many", [ValueError(1), KeyError(2), OSError(3)]))
        except* ValueError as group:
            await library.checkpoint()
            seen.append(repr(group.exceptions))
        except* KeyError as group:
            await library.checkpoint()
            seen.append(repr(group.exceptions))

    outcome = both_ways(scenario)
    assert outcome.seen == ["(ValueError(1),)", "(KeyError(2),)"]
    assert [part.type for part in outcome.error.parts] == [OSError]


def test_notes_added_on_the_way_are_kept(both_ways):
    async def scenario(library, seen):
        try:
            await fail(library, ValueError("noted"))
        except ValueError as error:
            error.add_note("by the caller")
            await library.checkpoint()
            raise

    assert both_ways(scenario).error.notes == ["by the caller"]


def test_finally_clauses_run_in_the_same_order(both_ways):
    async def inner(library, seen):
        try:
            await fail(library, ValueError("x"))
        finally:
            seen.append("inner")
            await library.checkpoint()
            seen.append("inner, after a checkpoint")

    async def scenario(library, seen, inner):
        try:
            await inner(library, seen)
        finally:
            seen.append("outer")
            await library.checkpoint()
            seen.append("outer, after a checkpoint")

    outcome = both_ways(scenario, inner)
    assert outcome.seen == [
        "inner",
        "inner, after a checkpoint",
        "outer",
        "outer, after a checkpoint",
    ]
    assert outcome.error.names == ["scenario", "inner", "fail"]


def test_async_with_and_async_for_do_the_same(both_ways):
    class Manager:
        def __init__(self, library, seen):
            self.library, self.seen = library, seen

        async def __aenter__(self):
            await self.library.checkpoint()
            self.seen.append("enter")
            return self

        async def __aexit__(self, kind, error, tb):
            await self.library.checkpoint()
            self.seen.append(("exit", kind, [frame.name for frame in traceback.extract_tb(tb)]))
            return kind is KeyError

    async def count(library):
        for number in range(3):
            await library.checkpoint()
            yield number

    async def scenario(library, seen, Manager, count):
        async with Manager(library, seen):
            async for number in count(library):
                seen.append(number)
            raise KeyError
        seen.append("suppressed")

    outcome = both_ways(scenario, Manager, count)
    assert outcome.seen == ["enter", 0, 1, 2, ("exit", KeyError, ["scenario"]), "suppressed"]


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
