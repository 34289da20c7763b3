"""Run by test_stack_exhaustion.py: recurses until it ends, and prints how deep it got.

Usage: recursion.py inside|outside CASE LIMIT
"""

from __future__ import annotations

import ast
import asyncio
import copy
import functools
import json
import operator
import pickle
import re
import sys

from switchback import await_, with_portal_run, with_portal_run_sync

depth = 0


def deeper():
    global depth
    depth += 1


def nested(make, levels):
    value = make(None)
    for _ in range(levels):
        value = make(value)
    return value


def python():
    deeper()
    python()


class Node:
    def method(self, *args, **kwargs):
        deeper()
        self.method(*args, **kwargs)

    def __getattr__(self, name):
        deeper()
        return getattr(self, name)

    def __lt__(self, other):
        deeper()
        return operator.lt(self, other)


def generator():
    deeper()
    yield from generator()


def class_body():
    deeper()

    class Inner:
        class_body()


def by_map(_=None):
    deeper()
    list(map(by_map, [1]))


def by_sorted(_=None):
    deeper()
    sorted([1], key=by_sorted)


def by_max(_=None):
    deeper()
    max([1, 2], key=by_max)


def by_reduce(*_):
    deeper()
    functools.reduce(by_reduce, [1, 2])


def by_sub(_=None):
    deeper()
    re.sub("a", by_sub, "a")


def by_eval():
    deeper()
    eval("by_eval()")


def by_default(_=None):
    deeper()
    return json.dumps(object(), default=by_default)


class Reduced:
    def __reduce__(self):
        deeper()
        return Reduced, (Reduced(),)


class Meta(type):
    def __instancecheck__(cls, instance):
        deeper()
        return isinstance(instance, cls)


class Checked(metaclass=Meta):
    pass


class Finder:
    def find_spec(self, name, path=None, target=None):
        deeper()
        __import__(f"missing_module_{depth}")


def import_hook():
    sys.meta_path.insert(0, Finder())
    __import__("missing_module")


def deepest(succeeds, most):
    """Find by halving how deep a structure may be. One that is too deep is an error each time."""
    global depth
    low, high = 0, most
    error = None
    while high - low > 1:
        middle = (low + high) // 2
        try:
            succeeds(middle)
            low = middle
        except (RecursionError, MemoryError, SyntaxError) as caught:
            error = caught
            high = middle
    depth = low
    if error is not None:
        raise error


def structure(function, most=100_000):
    return lambda: deepest(function, most)


def lists(levels):
    return nested(lambda inner: [inner], levels)


def coroutine_level():
    async def level():
        deeper()
        await level()

    await_(level())


def alternating():
    async def level():
        await asyncio.sleep(0)
        sync()

    def sync():
        deeper()
        await_(level())

    sync()


def portal_run():
    async def level():
        deeper()
        await with_portal_run(level)

    def sync():
        deeper()
        coroutine = with_portal_run_sync(in_new_portal)
        await_(coroutine)

    def in_new_portal():
        # A portal inside of a portal is only made where none is active: by hand.
        from switchback import _engine

        deeper()
        portal = _engine.open_call_portal(in_new_portal, ())
        portal.send(None)

    try:
        await_(level())
    except RecursionError:
        in_new_portal()


CASES = {
    "python": python,
    "method": lambda: Node().method(1, key=2),
    "generator": lambda: list(generator()),
    "class_body": class_body,
    "map": by_map,
    "sorted_key": by_sorted,
    "max_key": by_max,
    "reduce": by_reduce,
    "json_dumps": structure(lambda levels: json.dumps(lists(levels))),
    "json_loads": structure(lambda levels: json.loads("[" * levels + "]" * levels)),
    "json_default": by_default,
    "repr": structure(lambda levels: repr(lists(levels))),
    "pickle": structure(lambda levels: pickle.dumps(lists(levels))),
    "pickle_reduce": lambda: pickle.dumps(Reduced()),
    "deepcopy": structure(lambda levels: copy.deepcopy(lists(levels)), 30_000),
    "compile_nested": structure(
        lambda levels: compile("(" * levels + "1" + ")" * levels, "", "eval"), 20_000
    ),
    "compile_operators": structure(lambda levels: compile("-" * levels + "1", "", "eval"), 50_000),
    "ast_walk": structure(
        lambda levels: compile(
            ast.fix_missing_locations(
                ast.Expression(
                    nested(lambda inner: ast.UnaryOp(ast.USub(), inner or ast.Constant(1)), levels)
                )
            ),
            "",
            "eval",
        ),
        50_000,
    ),
    "re_sub": by_sub,
    "re_compile": structure(lambda levels: re.compile("(" * levels + "a" + ")" * levels), 20_000),
    "getattr": lambda: Node().missing,
    "comparison": lambda: Node() < Node(),
    "eval": by_eval,
    "import_hook": import_hook,
    "isinstance": lambda: isinstance(1, Checked),
    "await_coroutine": coroutine_level,
    "await_alternating": alternating,
    "portal_run": portal_run,
}


def run(case):
    try:
        CASES[case]()
    except BaseException as error:
        end = type(error).__name__
    else:
        end = "returned"
    return depth, end


def main(where, case, limit):
    sys.setrecursionlimit(int(limit))
    inside = where == "inside"
    outcome = asyncio.run(with_portal_run_sync(run, case)) if inside else run(case)
    print(*outcome, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
