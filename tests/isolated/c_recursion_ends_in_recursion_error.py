"""Recursion of C functions in a portal ends in RecursionError, never past the end of the stack."""

import ast
import asyncio
import copy
import functools
import json
import operator
import pickle
import sys

from switchback import await_, ensure_portal

LEVELS = 100_000


def nested(make, levels=LEVELS):
    value = make(None)
    for _ in range(levels):
        value = make(value)
    return value


class Reduced:
    def __init__(self, inner):
        self.inner = inner

    def __reduce__(self):
        return Reduced, (self.inner,)


class Item:
    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __len__(self):
        return len(self.inner)

    def __repr__(self):
        return f"{self.inner!r}"

    def __eq__(self, other):
        return operator.eq(self.inner, other)

    def __hash__(self):
        return hash(self.inner)


class Called:
    def __init__(self, inner):
        self.inner = inner

    def __call__(self):
        return functools.partial(self.inner)()


lists = nested(lambda inner: [inner])
tuples = nested(lambda inner: (inner,))
# Nothing bounds this recursion, neither in a portal nor outside: on AArch64, as many levels as
# above overflow the 8 MiB of the main thread.
hashed = nested(lambda inner: (inner,), LEVELS // 2)
dicts = nested(lambda inner: {0: inner})
other_lists = nested(lambda inner: [inner])
partials = nested(lambda inner: functools.partial(len, inner))
items = nested(Item)
called = nested(Called)
reduced = nested(Reduced)
expression = "(" * 5000 + "1" + ")" * 5000
operators = "-" * 50_000 + "1"
attributes = "a" + ".b" * 50_000
sums = "+".join(["a"] * 50_000)
tree = ast.Expression(
    nested(lambda inner: ast.UnaryOp(ast.USub(), inner or ast.Constant(1)), 50_000),
)


class Meta(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, cls)


class Endless(metaclass=Meta):
    pass


def sort(levels=0):
    return sorted([1], key=lambda _: sort(levels + 1))


def build_class():
    return type("C", (), {"x": Named()})


class Named:
    def __set_name__(self, owner, name):
        build_class()


def by_max():
    return max([1, 2], key=lambda _: by_max())


def by_reduce():
    return functools.reduce(lambda a, b: by_reduce(), [1, 2])


def by_format():
    class Formatted:
        def __format__(self, spec):
            return "{:>{w}}".format(self, w=5)

    return f"{Formatted()}"


def by_import_hook():
    class Lazy:
        def __getattribute__(self, name):
            return getattr(self, name + "x")

    return Lazy().x


CASES = {
    "repr of lists": lambda: repr(lists),
    "repr of tuples": lambda: repr(tuples),
    "repr of dicts": lambda: repr(dicts),
    "comparison": lambda: lists == other_lists,
    "hash": lambda: hash(hashed),
    "repr of partials": lambda: repr(partials),
    "repr of items": lambda: repr(items),
    "len of items": lambda: len(items),
    "getattr of items": lambda: items.missing,
    "hash of items": lambda: hash(items),
    "calls of partials": lambda: called(),
    "isinstance of tuples": lambda: isinstance(1, tuples),
    "issubclass of tuples": lambda: issubclass(int, tuples),
    "instance check": lambda: isinstance(1, Endless),
    "json dumps": lambda: json.dumps(lists),
    "json dumps of dicts": lambda: json.dumps(dicts),
    "json loads": lambda: json.loads("[" * LEVELS + "]" * LEVELS),
    "json loads of objects": lambda: json.loads('{"a":' * LEVELS + "1" + "}" * LEVELS),
    "pickle of lists": lambda: pickle.dumps(lists),
    "pickle of tuples": lambda: pickle.dumps(tuples),
    "pickle of objects": lambda: pickle.dumps(reduced),
    "deepcopy": lambda: copy.deepcopy(lists),
    "parser": lambda: compile(expression, "", "eval"),
    "operators": lambda: compile(operators, "", "eval"),
    "attributes": lambda: compile(attributes, "", "eval"),
    "sums": lambda: compile(sums, "", "eval"),
    "tree": lambda: compile(ast.fix_missing_locations(tree), "", "eval"),
    "tree to source": lambda: ast.dump(tree),
    "sorted": sort,
    "set_name": build_class,
    "max": by_max,
    "reduce": by_reduce,
    "format": by_format,
    "getattribute": by_import_hook,
}


def run(name, case):
    print(name, end=": ", flush=True)
    try:
        case()
    except (RuntimeError, MemoryError, SyntaxError, TypeError) as error:
        # As outside: some of these say it in other words, or do not recurse in some minors.
        print(type(error).__name__, flush=True)
    else:
        print("returned", flush=True)


def sync():
    for name, case in CASES.items():
        await_(asyncio.sleep(0))
        run(name, case)


async def main():
    await ensure_portal()
    sync()


if sys.argv[1:] == ["outside"]:
    for name, case in CASES.items():
        run(name, case)
else:
    asyncio.run(main())
