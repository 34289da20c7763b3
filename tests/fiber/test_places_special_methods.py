"""Synchronous code awaits in special methods, which the interpreter calls."""

import collections
import functools
import string
import weakref

import pytest
from support.places import Places, check_await_works

pytestmark = pytest.mark.page_size

place = Places()


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


@pytest.mark.parametrize("function", place, ids=lambda function: function.__name__)
def test_await_works(library, function):
    check_await_works(library, function)
