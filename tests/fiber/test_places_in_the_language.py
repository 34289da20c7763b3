"""Synchronous code awaits in every construct of the language that runs code."""

import abc
import contextlib
import sys
import types
import warnings

import pytest
from support.places import Places, check_await_works

pytestmark = pytest.mark.page_size

place = Places()


@place
def in_comprehensions(wait, number):
    assert [wait(n) for n in range(2)] == [0, 1]
    assert {wait(n) for n in range(2)} == {0, 1}
    assert {wait(n): wait(-n) for n in range(2)} == {0: 0, 1: -1}
    assert [wait(a + b) for a in range(2) if wait(True) for b in range(2)] == [0, 1, 1, 2]
    return number


@place
def in_generators(wait, number):
    def inner():
        got = yield wait(1)
        try:
            yield wait(got)
        finally:
            wait("closed")

    def outer():
        yield from inner()
        yield wait(3)

    generator = outer()
    assert next(generator) == 1
    wait("between")
    assert generator.send(2) == 2
    wait("between")
    assert list(generator) == [3]
    closed = inner()
    next(closed)
    closed.send(None)
    closed.close()
    return number


@place
def in_a_generator_that_handles_an_exception(wait, number):
    def generate():
        try:
            raise ValueError(number)
        except ValueError:
            yield wait(1)
            assert sys.exception().args == (number,)
            yield wait(2)

    try:
        raise KeyError(number)
    except KeyError:
        generator = generate()
        assert next(generator) == 1
        assert type(sys.exception()) is KeyError
        wait("between")
        assert next(generator) == 2
        assert type(sys.exception()) is KeyError
    return number


@place
def in_generator_expressions(wait, number):
    nested = (wait(n) for n in (wait(m) for m in range(3)))
    assert list(nested) == [0, 1, 2]
    return number


@place
def in_with_statements(wait, number):
    class Manager:
        def __enter__(self):
            return wait("entered")

        def __exit__(self, *error):
            return wait(True)

    @contextlib.contextmanager
    def managed():
        try:
            yield wait("managed")
        except ValueError:
            wait("caught")

    with Manager() as entered, managed() as value:
        assert (entered, value) == ("entered", "managed")
        raise ValueError
    with contextlib.suppress(KeyError):
        raise KeyError(wait("key"))
    return number


@place
def in_an_exit_stack(wait, number):
    log = []
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: log.append(wait("first")))
        stack.callback(lambda: log.append(wait("second")))
        stack.push(lambda *error: wait(True))
        raise ValueError
    assert log == ["second", "first"]
    return number


@place
def in_a_context_decorator(wait, number):
    @contextlib.contextmanager
    def managed():
        yield wait(None)
        wait(None)

    @managed()
    def work():
        return wait(number)

    return work()


@place
def in_class_creation(wait, number):
    class Meta(type):
        @classmethod
        def __prepare__(cls, name, bases):
            return wait({})

        def __new__(cls, name, bases, namespace):
            return super().__new__(cls, name, bases, wait(namespace))

        def __call__(cls):
            return wait(super().__call__())

        def __instancecheck__(cls, instance):
            return wait(True)

        def __subclasscheck__(cls, subclass):
            return wait(True)

    class Base(metaclass=Meta):
        body = wait("in the body")

        def __init_subclass__(cls):
            cls.initialized = wait(number)

    class Thing(Base):
        pass

    assert isinstance(1, Thing) and issubclass(int, Thing)
    assert Thing().body == "in the body"
    return Thing.initialized


@place
def in_the_subclass_hook_of_an_abstract_class(wait, number):
    class Abstract(abc.ABC):  # noqa: B024
        @classmethod
        def __subclasshook__(cls, subclass):
            return wait(subclass is int)

    assert isinstance(1, Abstract)
    assert not isinstance("", Abstract)
    return number


@place
def in_decorators_and_default_arguments(wait, number):
    @wait
    def decorated(value=wait(number), *, other=wait(None)):  # noqa: B008
        return value

    return decorated()


@place
def in_eval_and_exec(wait, number):
    namespace = {"wait": wait, "number": number}
    exec("def f():\n    return wait(number)\nresult = f()", namespace)
    assert namespace["result"] == number
    code = compile("wait(number)", "<text>", "eval")
    return eval(code, namespace)


@place
def in_pattern_matching(wait, number):
    class Thing:
        __match_args__ = ("value",)

        @property
        def value(self):
            return wait(number)

    match Thing():
        case Thing(value) if wait(True):
            return value


@place
def in_except_clauses_and_finally(wait, number):
    def failing():
        raise wait(ValueError)

    try:
        try:
            failing()
        except wait((ValueError, KeyError)) as error:
            wait(None)
            raise KeyError from error
        finally:
            wait(None)
    except KeyError as error:
        assert type(error.__cause__) is ValueError
    return number


@place
def in_star_arguments(wait, number):
    class Mapping:
        def keys(self):
            return wait(["a"])

        def __getitem__(self, key):
            return wait(number)

    def call(*args, **kwargs):
        return args, kwargs

    args, kwargs = call(*(wait(n) for n in range(2)), **Mapping())
    assert args == (0, 1)
    return kwargs["a"]


@place
def in_a_warning_hook(wait, number):
    class Category(UserWarning):
        def __str__(self):
            return wait("text")

    with pytest.raises(Category):
        warnings.warn(Category("text"), stacklevel=1)
    return number


@place
def in_a_module_attribute_hook(wait, number):
    module = types.ModuleType("some_module")
    module.__getattr__ = lambda name: wait(number)
    return module.anything


@place
def in_slices_of_work_done_by_c_code_in_c_code(wait, number):
    def key(item):
        return max(map(lambda n: wait(n), sorted([item], key=lambda n: wait(n))))

    assert sorted([3, 1, 2], key=key) == [1, 2, 3]
    return number


@pytest.mark.parametrize("function", place, ids=lambda function: function.__name__)
def test_await_works(library, function):
    check_await_works(library, function)
