"""The places from which synchronous code can await: whatever Python calls, and C code calls back.

Each place is a function that waits through `wait(value)` somewhere, and returns the number that it
was given. It runs in twenty tasks at once, which finish out of order.
"""

import abc
import bisect
import collections
import contextlib
import contextvars
import copy
import ctypes
import dataclasses
import enum
import functools
import gc
import heapq
import importlib
import itertools
import json
import logging
import operator
import pathlib
import pickle
import re
import signal
import sqlite3
import string
import sys
import tempfile
import threading
import types
import unittest.mock
import warnings
import weakref

import pytest

from switchback import await_, with_portal_run_sync

TASKS = 20
places = []


def place(function):
    places.append(function)
    return function


# Special methods


@place
def in_init(wait, number):
    class Thing:
        def __init__(self):
            self.value = wait(number)

    return Thing().value


@place
def in_new(wait, number):
    class Thing(int):
        def __new__(cls, value):
            return super().__new__(cls, wait(value))

    return int(Thing(number))


@place
def in_a_property(wait, number):
    class Thing:
        @property
        def value(self):
            return wait(number)

        @value.setter
        def value(self, value):
            self.stored = wait(value)

    thing = Thing()
    thing.value = "stored"
    assert thing.stored == "stored"
    return thing.value


@place
def in_a_descriptor_and_attribute_hooks(wait, number):
    class Descriptor:
        def __set_name__(self, owner, name):
            self.name = wait(name)

        def __get__(self, instance, owner):
            return wait(self.name)

    class Thing:
        described = Descriptor()

        def __getattr__(self, name):
            return wait((name, number))

        def __setattr__(self, name, value):
            super().__setattr__(name, wait(value))

        def __delattr__(self, name):
            super().__delattr__(wait(name))

    thing = Thing()
    assert thing.described == "described"
    thing.one = 1
    assert thing.one == 1
    del thing.one
    return thing.one[1]


@place
def in_operators(wait, number):
    @functools.total_ordering
    class Thing:
        def __init__(self, value):
            self.value = value

        def __add__(self, other):
            return Thing(wait(self.value + other.value))

        def __radd__(self, other):
            return Thing(wait(self.value + other))

        def __neg__(self):
            return Thing(wait(-self.value))

        def __iadd__(self, other):
            self.value = wait(self.value + other)
            return self

        def __lt__(self, other):
            return wait(self.value < other.value)

        def __eq__(self, other):
            return wait(self.value == other.value)

        def __bool__(self):
            return wait(True)

        def __index__(self):
            return wait(self.value)

        def __call__(self, value):
            return wait(value)

    thing = -(Thing(1) + Thing(2)) + Thing(3)
    assert thing.value == 0
    thing += number
    assert 0 + thing == Thing(number)
    assert Thing(0) < Thing(1) and Thing(1) >= Thing(0)
    assert [1, 2, 3][Thing(1)] == 2
    return thing(number) if thing else None


@place
def in_item_access(wait, number):
    class Thing:
        def __init__(self):
            self.items = {}

        def __getitem__(self, key):
            return wait(self.items[key])

        def __setitem__(self, key, value):
            self.items[key] = wait(value)

        def __delitem__(self, key):
            del self.items[wait(key)]

        def __contains__(self, key):
            return wait(key in self.items)

        def __len__(self):
            return wait(len(self.items))

        def __missing__(self, key):
            raise AssertionError

    thing = Thing()
    thing["a"] = number
    thing["b"] = 2
    del thing["b"]
    assert "a" in thing and "b" not in thing
    assert len(thing) == 1
    return thing["a"]


@place
def in_sequence_iteration_by_getitem(wait, number):
    class Thing:
        def __getitem__(self, index):
            if index == 3:
                raise IndexError
            return wait(index)

    assert list(Thing()) == [0, 1, 2]
    assert 2 in Thing()
    assert list(reversed([*Thing()])) == [2, 1, 0]
    return number


@place
def in_the_missing_hook_of_a_dict(wait, number):
    class Thing(dict):
        def __missing__(self, key):
            return wait(key)

    assert collections.defaultdict(lambda: wait("made"))["x"] == "made"
    return Thing()[number]


class Key:
    def __init__(self, wait, value):
        self.wait, self.value = wait, value

    def __hash__(self):
        return self.wait(7)  # all collide, so that __eq__ is called as well

    def __eq__(self, other):
        return self.wait(self.value == other.value)


@place
def in_hash_and_eq_of_dict_keys(wait, number):
    items = {Key(wait, n): n for n in range(3)}
    items[Key(wait, 1)] = "replaced"
    assert list(items.values()) == [0, "replaced", 2]
    assert items.pop(Key(wait, 2)) == 2
    assert Key(wait, 2) not in items
    items[Key(wait, 5)] = number
    return items[Key(wait, 5)]


@place
def in_hash_and_eq_of_set_members(wait, number):
    first = {Key(wait, n) for n in range(3)}
    second = {Key(wait, n) for n in range(1, 4)}
    assert sorted(key.value for key in first & second) == [1, 2]
    assert Key(wait, 0) in first
    return number


@place
def in_eq_during_list_searches(wait, number):
    items = [Key(wait, n) for n in range(4)]
    assert Key(wait, 2) in items
    assert items.index(Key(wait, 3)) == 3
    assert items.count(Key(wait, 1)) == 1
    items.remove(Key(wait, 0))
    assert items == [Key(wait, n) for n in range(1, 4)]
    return number


@place
def in_str_repr_and_format(wait, number):
    class Thing:
        def __str__(self):
            return wait("str")

        def __repr__(self):
            return wait("repr")

        def __format__(self, spec):
            return wait(f"<{spec}>")

    thing = Thing()
    assert str(thing) == "str"
    assert repr([thing, {1: thing}]) == "[repr, {1: repr}]"
    assert f"{thing:a} {thing!s} {thing!r}" == "<a> str repr"
    assert "{0:b} {0!r}".format(thing) == "<b> repr"  # noqa: UP032
    assert "%s %r" % (thing, thing) == "str repr"  # noqa: UP031
    assert string.Formatter().format("{:c}", thing) == "<c>"
    return number


@place
def in_conversions(wait, number):
    class Thing:
        def __int__(self):
            return wait(number)

        def __float__(self):
            return wait(0.5)

        def __bytes__(self):
            return wait(b"bytes")

        def __iter__(self):
            return iter(wait([1, 2]))

        def __length_hint__(self):
            return wait(2)

    thing = Thing()
    assert float(thing) == 0.5
    assert bytes(thing) == b"bytes"
    assert [*thing] == list(thing) == [1, 2]
    return int(thing)


@place
def in_del(wait, number):
    class Thing:
        def __del__(self):
            log.append(wait(number))

    log = []
    thing = Thing()
    del thing
    return log[0]


@place
def in_del_while_a_frame_is_cleared(wait, number):
    class Thing:
        def __del__(self):
            log.append(wait(number))

    def hold():
        things = [Thing(), Thing()]
        return len(things)

    log = []
    assert hold() == 2
    assert log == [number, number]
    return number


@place
def in_del_while_an_exception_unwinds_the_stack(wait, number):
    class Thing:
        def __del__(self):
            log.append(wait(number))

    def fail():
        return [Thing(), 1 // 0]

    log = []
    with pytest.raises(ZeroDivisionError):
        fail()
    return log[0]


@place
def in_a_deep_recursion_of_python_functions(wait, number):
    def descend(depth):
        return descend(depth - 1) if depth else wait(number)

    return descend(500)


@place
def in_a_deep_recursion_through_c_code(wait, number):
    def descend(depth):
        return max([depth], key=lambda _: descend(depth - 1)) if depth else wait(number)

    assert descend(50) == 50
    return number


@place
def in_a_weakref_callback(wait, number):
    class Thing:
        pass

    log = []
    thing = Thing()
    reference = weakref.ref(thing, lambda _: log.append(wait(number)))
    finalizer = weakref.finalize(thing, lambda: log.append(wait(number)))
    del thing
    assert reference() is None and not finalizer.alive
    assert log == [number, number]
    return number


# Functions of the library, most of them in C


@place
def in_the_key_of_sorted(wait, number):
    assert sorted(range(5), key=lambda n: wait(-n)) == [4, 3, 2, 1, 0]
    return number


@place
def in_the_key_of_list_sort(wait, number):
    items = [3, 1, 2]
    items.sort(key=lambda n: wait(n))
    assert items == [1, 2, 3]
    return number


@place
def in_a_comparison_of_list_sort(wait, number):
    @dataclasses.dataclass
    class Thing:
        value: int

        def __lt__(self, other):
            return wait(self.value < other.value)

    things = [Thing(n) for n in (3, 1, 2, 0)]
    things.sort()
    assert [thing.value for thing in things] == [0, 1, 2, 3]
    compared = sorted([2, 3, 1], key=functools.cmp_to_key(lambda a, b: wait(a - b)))
    assert compared == [1, 2, 3]
    heap = [Thing(n) for n in (5, 4, 3)]
    heapq.heapify(heap)
    assert heapq.heappop(heap).value == 3
    assert bisect.bisect(things, Thing(1)) == 2
    return number


@place
def in_map_and_filter(wait, number):
    assert list(map(wait, range(3))) == [0, 1, 2]
    assert list(filter(lambda n: wait(n % 2), range(4))) == [1, 3]
    return number


@place
def in_sum_min_max_any_all(wait, number):
    assert sum(wait(n) for n in range(4)) == 6
    assert min(range(3), key=lambda n: wait(-n)) == 2
    assert max((wait(n) for n in range(3)), default=None) == 2
    assert any(wait(n) for n in range(3))
    assert all(wait(True) for n in range(3))
    return number


@place
def in_zip_enumerate_and_unpacking(wait, number):
    def numbers():
        yield wait(1)
        yield wait(2)

    assert list(zip(numbers(), numbers(), strict=True)) == [(1, 1), (2, 2)]
    assert list(enumerate(numbers())) == [(0, 1), (1, 2)]
    first, *rest = numbers()
    assert (first, rest) == (1, [2])
    assert dict(zip(numbers(), "ab", strict=True)) == {1: "a", 2: "b"}
    assert ",".join(str(n) for n in numbers()) == "1,2"
    assert list(iter(lambda: wait(0), 0)) == []
    return number


@place
def in_itertools(wait, number):
    assert list(itertools.accumulate([1, 2, 3], lambda a, b: wait(a + b))) == [1, 3, 6]
    groups = itertools.groupby([1, 3, 2], key=lambda n: wait(n % 2))
    assert [(key, list(group)) for key, group in groups] == [(1, [1, 3]), (0, [2])]
    assert list(itertools.takewhile(lambda n: wait(n < 2), range(4))) == [0, 1]
    assert list(itertools.dropwhile(lambda n: wait(n < 2), range(4))) == [2, 3]
    assert list(itertools.starmap(lambda a, b: wait(a + b), [(1, 2)])) == [3]
    assert list(itertools.chain.from_iterable(wait([n]) for n in range(2))) == [0, 1]
    one, two = itertools.tee(wait(n) for n in range(2))
    assert list(one) == list(two) == [0, 1]
    assert list(itertools.islice((wait(n) for n in itertools.count()), 2)) == [0, 1]
    assert list(itertools.filterfalse(lambda n: wait(n), range(2))) == [0]
    return number


@place
def in_lru_cache(wait, number):
    calls = []

    @functools.lru_cache(maxsize=2)
    def cached(key):
        calls.append(key)
        return wait(key)

    assert [cached(key) for key in (1, 1, 2, 3, 1)] == [1, 1, 2, 3, 1]
    assert calls == [1, 2, 3, 1]
    return number


@functools.lru_cache(maxsize=4)
def shared_cache(key, wait):
    return wait(key)


@place
def in_an_lru_cache_that_tasks_share(wait, number):
    return shared_cache(number, wait)


@place
def in_reduce_and_partial(wait, number):
    assert functools.reduce(lambda a, b: wait(a + b), range(4)) == 6
    return functools.partial(wait, number)()


class WithCachedProperty:
    def __init__(self, wait, number):
        self.wait, self.number = wait, number

    @functools.cached_property
    def value(self):
        return self.wait(self.number)


@place
def in_a_cached_property(wait, number):
    thing = WithCachedProperty(wait, number)
    assert thing.value == number
    return thing.value


@place
def in_singledispatch(wait, number):
    class Local:
        pass

    @functools.singledispatch
    def dispatched(value, wait):
        raise AssertionError

    @dispatched.register
    def _(value: int, wait):
        return wait(value)

    dispatched.register(Local, lambda value, wait: wait("local"))
    assert dispatched(Local(), wait) == "local"
    return dispatched(number, wait)


@place
def in_operator_functions(wait, number):
    class Thing:
        @property
        def value(self):
            return wait(number)

        def method(self):
            return wait(number)

        def __getitem__(self, key):
            return wait(number)

    assert operator.methodcaller("method")(Thing()) == number
    assert operator.itemgetter(0, 1)(Thing()) == (number, number)
    return operator.attrgetter("value")(Thing())


@place
def in_the_default_of_json_dumps(wait, number):
    text = json.dumps([{"a": object()}, object()], default=lambda _: wait({"b": number}))
    assert json.loads(text) == [{"a": {"b": number}}, {"b": number}]
    with pytest.raises(ZeroDivisionError):
        json.dumps(object(), default=lambda _: 1 / wait(0))
    return number


@place
def in_the_hooks_of_json_loads(wait, number):
    loaded = json.loads(
        f'{{"a": {number}, "b": [{{}}, 1.5]}}',
        object_hook=lambda obj: wait(list(obj.items())),
        parse_float=lambda text: wait(text),
    )
    assert loaded == [("a", number), ("b", [[], "1.5"])]
    return number


@place
def in_a_replacement_function_of_a_regular_expression(wait, number):
    assert re.sub(r"\d", lambda match: wait(match[0] * 2), "1a2b") == "11a22b"
    return number


# The waiting function of the task, for what pickle makes anew.
current_wait = contextvars.ContextVar("current_wait")


class Pickled:
    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        return Pickled.rebuild, (current_wait.get()(self.number),), {"state": 1}

    @staticmethod
    def rebuild(number):
        return Pickled(current_wait.get()(number))

    def __setstate__(self, state):
        assert current_wait.get()(state) == {"state": 1}


@place
def in_pickle_hooks(wait, number):
    current_wait.set(wait)
    return pickle.loads(pickle.dumps([Pickled(number)]))[0].number


@place
def in_copy_hooks(wait, number):
    class Thing:
        def __copy__(self):
            return wait("copied")

        def __deepcopy__(self, memo):
            return wait("copied deeply")

    assert copy.copy(Thing()) == "copied"
    assert copy.deepcopy([Thing(), {1: Thing()}]) == ["copied deeply", {1: "copied deeply"}]
    return number


@place
def in_a_ctypes_callback(wait, number):
    libc = ctypes.CDLL(None)
    compare_type = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)
    )
    compare = compare_type(lambda a, b: wait(a[0] - b[0]))
    items = (ctypes.c_int * 6)(5, 1, 4, 2, 3, 0)
    libc.qsort(items, len(items), ctypes.sizeof(ctypes.c_int), compare)
    assert list(items) == [0, 1, 2, 3, 4, 5]
    return number


@place
def in_a_ctypes_callback_that_holds_the_gil(wait, number):
    library = ctypes.PyDLL(None)
    compare_type = ctypes.PYFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)
    )
    compare = compare_type(lambda a, b: wait(a[0] - b[0]))
    items = (ctypes.c_int * 4)(5, 1, 4, 2)
    library.qsort(items, len(items), ctypes.sizeof(ctypes.c_int), compare)
    assert list(items) == [1, 2, 4, 5]
    return number


@place
def in_a_function_of_sqlite(wait, number):
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.create_function("waited", 1, wait)
        connection.executescript("create table t (n); insert into t values (1), (2), (3)")
        rows = connection.execute("select waited(n) from t where waited(n) > 1").fetchall()
        assert rows == [(2,), (3,)]
        [(value,)] = connection.execute("select waited(?)", (number,))
    return value


@place
def in_an_aggregate_and_a_collation_of_sqlite(wait, number):
    class Total:
        def __init__(self):
            self.total = wait(0)

        def step(self, value):
            self.total += wait(value)

        def finalize(self):
            return wait(self.total)

    def collate(a, b):
        return wait((a > b) - (a < b))

    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.create_aggregate("total_of", 1, Total)
        connection.create_collation("slow", collate)
        connection.executescript("create table t (n, s); insert into t values (1, 'b'), (2, 'a')")
        assert connection.execute("select total_of(n) from t").fetchone() == (3,)
        rows = connection.execute("select s from t order by s collate slow").fetchall()
        assert rows == [("a",), ("b",)]
    return number


@place
def in_a_logging_handler(wait, number):
    class Handler(logging.Handler):
        def emit(self, record):
            records.append(wait(record.getMessage()))

    records = []
    logger = logging.Logger(f"logger {number}")
    logger.addHandler(Handler())
    logger.warning("one %d", 1)
    logger.error("two")
    assert records == ["one 1", "two"]
    return number


@place
def in_a_side_effect_of_a_mock(wait, number):
    mock = unittest.mock.Mock(side_effect=lambda value: wait(value))
    assert mock(1) == 1
    assert mock(2) == 2
    assert mock.call_args_list == [unittest.mock.call(1), unittest.mock.call(2)]
    return number


@place
def in_the_names_of_an_enum(wait, number):
    class Color(enum.Enum):
        RED = 1

        @classmethod
        def _missing_(cls, value):
            return wait(cls.RED)

    assert Color(5) is Color.RED
    return number


@place
def in_dataclasses(wait, number):
    @dataclasses.dataclass
    class Thing:
        value: int
        made: list = dataclasses.field(default_factory=lambda: wait([]))

        def __post_init__(self):
            self.value = wait(self.value)

    return Thing(number).value


# The language


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


@pytest.mark.parametrize("function", places, ids=lambda function: function.__name__)
def test_await_works(library, function):
    waiting = 0
    most_waiting = 0
    order = []

    def run(number):
        def wait(value):
            nonlocal waiting, most_waiting
            waiting += 1
            most_waiting = max(waiting, most_waiting)
            await_(library.sleep((number * 7 % 5) / 4000))
            waiting -= 1
            return value

        result = function(wait, number)
        order.append(number)
        return result

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(TASKS)]
        return await library.gather(*calls)

    assert library.run(main) == list(range(TASKS))
    assert most_waiting > 1
    assert order != sorted(order)


@pytest.fixture
def wait(library):
    """Suspends for a moment and returns its argument."""

    def wait(value=None):
        await_(library.checkpoint())
        return value

    return wait


def test_a_generator_goes_on_in_a_later_step_of_another_task(library):
    def numbers():
        for number in range(6):
            await_(library.checkpoint())
            yield number

    generator = numbers()

    async def main():
        async def one():
            return await with_portal_run_sync(next, generator)

        results = []
        for _ in range(3):
            results.append(await one())
            results += await library.gather(one)
        return results

    assert library.run(main) == list(range(6))


def test_a_generator_that_waits_cannot_be_advanced_by_another_task(library):
    async def main():
        waits, goes_on = library.event(), library.event()

        def numbers():
            waits.set()
            await_(goes_on.wait())
            yield 1

        generator = numbers()

        async def other():
            await waits.wait()
            with pytest.raises(ValueError, match="generator already executing"):
                next(generator)
            goes_on.set()

        return (await library.gather(lambda: with_portal_run_sync(next, generator), other))[0]

    assert library.run(main) == 1


def test_a_generator_that_waited_is_closed_with_its_finally(library, wait):
    log = []

    def numbers():
        try:
            yield wait(1)
            yield wait(2)
        finally:
            log.append(wait("closed"))

    def run():
        for number in numbers():
            log.append(number)
            break
        return log

    assert library.run(with_portal_run_sync, run) == [1, "closed"]


def test_a_signal_handler_may_await(library, wait):
    log = []

    def run():
        log.append("before")
        signal.raise_signal(signal.SIGUSR1)
        log.append("after")
        return wait(log)

    previous = signal.signal(signal.SIGUSR1, lambda *_: log.append(wait("in the handler")))
    try:
        assert library.run(with_portal_run_sync, run) == ["before", "in the handler", "after"]
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_a_timer_signal_may_await_amid_busy_code(library, wait):
    log = []

    def run():
        signal.setitimer(signal.ITIMER_REAL, 0.005)
        count = 0
        while not log:
            count += 1
        return wait(log)

    previous = signal.signal(signal.SIGALRM, lambda *_: log.append(wait("in the handler")))
    try:
        assert library.run(with_portal_run_sync, run) == ["in the handler"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_an_exception_of_a_signal_handler_that_waited_is_raised_where_it_interrupted(library, wait):
    class Interrupt(Exception):
        pass

    def handler(*_):
        wait()
        raise Interrupt

    def run():
        with pytest.raises(Interrupt):
            signal.raise_signal(signal.SIGUSR1)
        return wait("went on")

    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        assert library.run(with_portal_run_sync, run) == "went on"
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_a_finalizer_that_the_garbage_collector_calls_may_await(library, wait):
    log = []

    class Thing:
        def __init__(self):
            self.itself = self

        def __del__(self):
            log.append(wait("finalized"))

    def run():
        for _ in range(3):
            Thing()
        gc.collect()
        return wait(log)

    assert library.run(with_portal_run_sync, run) == ["finalized"] * 3

    # And the collector goes on to work.
    garbage = Thing.__new__(Thing)
    garbage.itself = garbage
    Thing.__del__ = lambda self: None
    reference = weakref.ref(garbage)
    del garbage
    gc.collect()
    assert reference() is None


def test_the_garbage_collector_may_run_while_portals_wait(library):
    def run(number):
        garbage = [[] for _ in range(10)]
        for item in garbage:
            item.append(item)
        del garbage, item
        local = [number]
        await_(library.sleep((number * 7 % 5) / 2000))
        gc.collect()
        await_(library.sleep((number * 3 % 5) / 2000))
        return local

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(20)]
        return await library.gather(*calls)

    assert library.run(main) == [[number] for number in range(20)]


def test_finalizers_of_objects_that_hold_each_other_deeply_may_await(library):
    # The interpreter destroys such objects in several goes, with a count of its own of the depth.
    def run(number):
        class Thing:
            def __init__(self, held, depth):
                self.held, self.depth = held, depth

            def __del__(self):
                if self.depth % 20 == number:
                    await_(library.checkpoint())
                log.append(self.depth)

        log = []
        chain = None
        for depth in range(300):
            chain = [Thing(chain, depth)]
        del chain
        return log

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(20)]
        return await library.gather(*calls)

    assert library.run(main) == [list(range(299, -1, -1))] * 20


def test_a_callback_of_the_garbage_collector_may_await(library, wait):
    phases = []

    def callback(phase, info):
        if len(phases) < 2:
            phases.append(wait(phase))

    def run():
        gc.callbacks.append(callback)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(callback)
        return wait(phases)

    assert library.run(with_portal_run_sync, run) == ["start", "stop"]


def test_an_error_in_a_finalizer_that_waited_is_reported_and_the_portal_goes_on(library, wait):
    class Thing:
        def __del__(self):
            raise KeyError(wait("x"))

    def run():
        Thing()
        return wait("went on")

    reports = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda args: reports.append(args.exc_type)
    try:
        assert library.run(with_portal_run_sync, run) == "went on"
    finally:
        sys.unraisablehook = hook
    assert reports == [KeyError]


@pytest.fixture
def modules(monkeypatch):
    """Makes modules out of their source; they are forgotten when the test ends."""
    before = set(sys.modules)
    # Not `tmp_path`: pytest notes each of its uses until the session ends, which tests/leak counts.
    with tempfile.TemporaryDirectory() as directory:
        monkeypatch.syspath_prepend(directory)

        def make(name, source):
            (pathlib.Path(directory) / f"{name}.py").write_text(source)
            importlib.invalidate_caches()

        yield make
    for name in set(sys.modules) - before:
        if name.startswith("waiting_module"):
            del sys.modules[name]
    sys.path_importer_cache.pop(directory, None)


def test_a_module_may_await_while_it_is_imported(library, modules, monkeypatch):
    import builtins

    monkeypatch.setattr(
        builtins, "wait_for_test", lambda n: await_(library.sleep(n)) or n, raising=False
    )
    for number in range(10):
        modules(f"waiting_module_{number}", f"value = wait_for_test({number * 7 % 5} / 2000)\n")

    def run(number):
        name = f"waiting_module_{number}"
        assert importlib.import_module(name).value == (number * 7 % 5) / 2000
        namespace = {}
        exec(f"from {name} import value", namespace)
        return namespace["value"] * 2000

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(10)]
        return await library.gather(*calls)

    assert library.run(main) == [number * 7 % 5 for number in range(10)]


def test_a_module_imported_through_others_that_wait(library, modules, monkeypatch):
    import builtins

    monkeypatch.setattr(
        builtins, "wait_for_test", lambda: await_(library.checkpoint()), raising=False
    )
    for number in range(4):
        modules(
            f"waiting_module_{number}",
            f"wait_for_test()\nimport waiting_module_{number + 1} as inner\nwait_for_test()\n"
            "value = inner.value\n",
        )
    modules("waiting_module_4", "wait_for_test()\nvalue = 'innermost'\n")

    def run():
        import waiting_module_0

        return waiting_module_0.value

    assert library.run(with_portal_run_sync, run) == "innermost"


def test_an_import_hook_may_await(library, wait, monkeypatch):
    import importlib.machinery

    class Finder:
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            wait()
            if name == "waiting_module_of_a_hook":
                return importlib.machinery.ModuleSpec(name, cls)
            return None

        @staticmethod
        def create_module(spec):
            return wait(None)

        @staticmethod
        def exec_module(module):
            module.value = wait("from the hook")

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])

    def run():
        import waiting_module_of_a_hook

        return waiting_module_of_a_hook.value

    try:
        assert library.run(with_portal_run_sync, run) == "from the hook"
    finally:
        sys.modules.pop("waiting_module_of_a_hook", None)


def test_a_lock_held_while_waiting_is_seen_by_others(library):
    lock = threading.Lock()

    async def main():
        waits, goes_on = library.event(), library.event()

        def run():
            with lock:
                waits.set()
                await_(goes_on.wait())
                return "done"

        async def other():
            await waits.wait()
            goes_on.set()
            return lock.acquire(blocking=False)

        return await library.gather(lambda: with_portal_run_sync(run), other)

    assert library.run(main) == ["done", False]
    assert not lock.locked()


def test_a_reentrant_lock_held_while_waiting_is_released_by_its_thread(library):
    lock = threading.RLock()

    def run(number):
        with lock:
            await_(library.sleep((number * 7 % 5) / 2000))
            with lock:
                await_(library.checkpoint())

    async def main():
        await library.gather(*[lambda n=n: with_portal_run_sync(run, n) for n in range(20)])
        return lock.acquire(blocking=False)

    assert library.run(main)
    with pytest.raises(RuntimeError):
        lock.release()
        lock.release()


def test_two_connections_of_sqlite_interleave(library):
    log = []

    async def main():
        first_waits, second_is_done = library.event(), library.event()

        def first(value):
            first_waits.set()
            await_(second_is_done.wait())
            log.append("first")
            return value

        def second(value):
            await_(library.checkpoint())
            log.append("second")
            return value

        def run(function):
            with contextlib.closing(sqlite3.connect(":memory:")) as connection:
                connection.create_function("slow", 1, function)
                return connection.execute("select slow(5)").fetchone()

        async def run_second():
            await first_waits.wait()
            result = await with_portal_run_sync(run, second)
            second_is_done.set()
            return result

        return await library.gather(lambda: with_portal_run_sync(run, first), run_second)

    assert library.run(main) == [(5,), (5,)]
    assert log == ["second", "first"]


def test_a_cursor_of_sqlite_that_waits_refuses_a_second_use(library):
    async def main():
        waits, goes_on = library.event(), library.event()

        def slow(value):
            waits.set()
            await_(goes_on.wait())
            return value

        async def other():
            await waits.wait()
            # Not execute(), with which some releases of CPython crash, without us as well.
            with pytest.raises(sqlite3.ProgrammingError, match="Recursive use"):
                cursor.fetchone()
            goes_on.set()

        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.create_function("slow", 1, slow)
            cursor = connection.cursor()

            def run():
                return cursor.execute("select slow(5)").fetchone()

            return (await library.gather(lambda: with_portal_run_sync(run), other))[0]

    assert library.run(main) == (5,)


def test_a_connection_of_sqlite_that_waits_serves_another_cursor(library):
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.create_function("slow", 1, lambda v: await_(library.sleep(v / 1000)) or v)

        def run(number):
            return connection.cursor().execute("select slow(?)", (number,)).fetchone()

        async def main():
            calls = [lambda n=n: with_portal_run_sync(run, n) for n in (5, 3, 1)]
            return await library.gather(*calls)

        assert library.run(main) == [(5,), (3,), (1,)]


def test_an_exception_in_a_ctypes_callback_is_reported_and_the_portal_goes_on(library, wait):
    caught = []
    callback = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1 // wait(0))

    def run():
        callback()
        return wait("went on")

    hook, sys.unraisablehook = sys.unraisablehook, lambda args: caught.append(args.exc_type)
    try:
        assert library.run(with_portal_run_sync, run) == "went on"
    finally:
        sys.unraisablehook = hook
    assert caught == [ZeroDivisionError]


def test_an_exception_passes_through_c_code(library, wait):
    def failing(_):
        raise ZeroDivisionError(wait("x"))

    def run():
        for call in (
            lambda: sorted([1, 2], key=failing),
            lambda: list(map(failing, [1])),
            lambda: json.dumps(object(), default=failing),
            lambda: re.sub("a", failing, "a"),
            lambda: functools.reduce(lambda a, b: failing(a), [1, 2]),
        ):
            with pytest.raises(ZeroDivisionError):
                call()
        return wait("went on")

    assert library.run(with_portal_run_sync, run) == "went on"


def test_a_trace_function_sees_the_same_events_as_of_native_code(both_ways):
    async def inner(library):
        await library.checkpoint()
        return 1

    async def scenario(library, seen, inner):
        def trace(frame, event, argument):
            if frame.f_code.co_name == "inner":
                seen.append((event, frame.f_lineno))
            return trace

        sys.settrace(trace)
        try:
            await inner(library)
        finally:
            sys.settrace(None)

    # Suspending is a return, and resuming a call.
    events = [event for event, _ in both_ways(scenario, inner).seen]
    assert (events.count("call"), events.count("return")) == (2, 2)


def test_a_thread_that_runs_meanwhile_does_not_disturb(library):
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            sum(range(100))

    thread = threading.Thread(target=spin)
    thread.start()
    try:

        def run(number):
            for _ in range(20):
                await_(library.checkpoint())
            return number

        async def main():
            return await library.gather(
                *[lambda n=n: with_portal_run_sync(run, n) for n in range(10)]
            )

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            assert library.run(main) == list(range(10))
        finally:
            sys.setswitchinterval(interval)
    finally:
        stop.set()
        thread.join()
