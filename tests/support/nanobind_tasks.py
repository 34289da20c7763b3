"""What fifty tasks do in calls of nanobind: `python nanobind_tasks.py CASE`."""

from __future__ import annotations

import sys

import nanobind_calls as calls
from support.many_tasks import check, later


def function(index):
    return calls.twice(f"task {index}", lambda x: later(index, index * x, x))


def override(index):
    class Square(calls.Shape):
        def area(self, scale):
            return later(index, scale * scale)

    return Square().twice_the_area(index)


def override_that_calls_super(index):
    class Square(calls.Shape):
        def area(self, scale):
            before = later(index, super().area(scale))
            return later(index, before * super().area(scale), 1)

    return Square().twice_the_area(index)


def gil_released(index):
    return calls.without_gil(lambda x: later(index, index * x, x))


CASES = {
    "function": (function, lambda i: f"task {i}:{3 * i}"),
    "override": (override, lambda i: 2 * i * i),
    "override_that_calls_super": (override_that_calls_super, lambda i: 2 * i * i),
    "gil_released": (gil_released, lambda i: 3 * i),
}


if __name__ == "__main__":
    check(*CASES[sys.argv[1]])
