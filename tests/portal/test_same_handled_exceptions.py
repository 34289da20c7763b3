"""The exception that is handled, and what hangs on it, is the one that `await` would leave."""

import sys
import traceback

import pytest
from support.coroutines import fail, give

from switchback import await_, with_portal_run_sync


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
