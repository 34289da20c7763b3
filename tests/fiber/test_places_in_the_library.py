"""Synchronous code awaits in what functions of the library call, most of them in C."""

import bisect
import contextlib
import contextvars
import copy
import ctypes
import dataclasses
import enum
import functools
import heapq
import itertools
import json
import logging
import operator
import pickle
import re
import sqlite3
import unittest.mock

import pytest
from support.places import Places, check_await_works

pytestmark = pytest.mark.page_size

place = Places()


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


@pytest.mark.parametrize("function", place, ids=lambda function: function.__name__)
def test_await_works(library, function):
    check_await_works(library, function)
