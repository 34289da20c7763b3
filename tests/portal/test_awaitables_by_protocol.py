"""await_() takes what `await` takes by its methods, and refuses the rest in the same words."""

import re
import types

import pytest
from support.awaitables import ByGenerator, Returning, outcome_of
from support.by_hand import trap
from support.coroutines import give

from switchback import await_, with_portal_run_sync

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


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
