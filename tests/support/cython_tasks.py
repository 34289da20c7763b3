"""What fifty tasks do in a module by Cython: `python cython_tasks.py CASE`."""

from __future__ import annotations

import sys

import cython_calls as calls
from support.many_tasks import check, later

from switchback import await_


def without_gil(index):
    return calls.without_gil(lambda x: later(index, x * index, x), 1)


def with_gil(index):
    return calls.with_gil(lambda x: later(index, x * index, x), 1)


def generator(index):
    return list(calls.generate(lambda x: later(index, x * index, x), 4))


def handled_exception(index):
    seen = []

    def note(x):
        later(index, None, x)
        seen.append(type(sys.exc_info()[1]).__name__)

    return calls.handle(note), seen


def override_that_calls_super(index):
    class Square(calls.Shape):
        def area(self, scale):
            before = later(index, super().area(scale))
            return later(index, before * super().area(scale), 1)

    return Square(index).twice_the_area(1)


def coroutine(index):
    return await_(calls.await_callback(lambda x: later(index, x * index, x)))


CASES = {
    "without_gil": (without_gil, lambda i: 3 * i),
    "with_gil": (with_gil, lambda i: 3 * i),
    "generator": (generator, lambda i: [0, i, 2 * i, 3 * i]),
    "handled_exception": (handled_exception, lambda i: ("handled", ["LookupError", "NoneType"])),
    "override_that_calls_super": (override_that_calls_super, lambda i: 2 * i * i),
    "coroutine": (coroutine, lambda i: i),
}


if __name__ == "__main__":
    check(*CASES[sys.argv[1]])
