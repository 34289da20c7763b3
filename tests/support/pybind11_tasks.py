"""What fifty tasks do in calls of pybind11: `python pybind11_tasks.py CASE`."""

from __future__ import annotations

import asyncio
import gc
import io
import sys
import weakref

import pybind11_calls as calls
from support.many_tasks import check, later

from switchback import exclusive


def function(index):
    return calls.twice(f"task {index}", lambda x: later(index, index * x, x))


def function_under_a_loop(index):
    # The loop itself runs in a callback of the library.
    return function(index)


def containers(index):
    names = [f"{index}-{number} " for number in range(4)]
    return calls.all_of(names, lambda name: later(index, name.upper(), len(name)))


def override_that_calls_super(index):
    class Square(calls.Shape):
        def area(self, scale):
            before = later(index, super().area(scale))
            return later(index, before * super().area(scale), 1)

    square = Square(f"square {index}")
    assert square.name == f"square {index}"
    return square.twice_the_area(index)


def gil_released(index):
    return calls.without_gil(lambda x: later(index, index * x, x))


def kept_alive(index):
    class Square(calls.Shape):
        pass

    holder, square = calls.Holder(), Square(f"square {index}")
    alive = weakref.ref(square)
    holder.hold(square, lambda: later(index, None))
    del square
    gc.collect()
    assert alive() is not None
    return holder.name()


def exception_out_of_a_callback(index):
    def fail(x):
        later(index, None)
        raise ValueError(index)

    try:
        calls.twice("fails", fail)
    except ValueError as error:
        return error.args[0]
    return None


def exception_that_is_translated(index):
    def fail(x):
        later(index, None)
        raise LookupError if index % 2 else KeyError

    return calls.translate(fail)


def calls_in_calls(index):
    def outer(x):
        return len(calls.twice("inner", lambda y: later(index, x * y, y)))

    return calls.twice(f"task {index}", outer)


@exclusive
def redirected_one_at_a_time(index):
    place = io.StringIO()
    total = calls.redirected(place, lambda x: later(index, index * x, x))
    return total, place.getvalue()


CASES = {
    "function": (function, lambda i: f"task {i}:{3 * i}"),
    "function_under_a_loop": (function, lambda i: f"task {i}:{3 * i}"),
    "containers": (containers, lambda i: "".join(f"{i}-{n} " for n in range(4))),
    "override_that_calls_super": (override_that_calls_super, lambda i: 2 * i * i),
    "gil_released": (gil_released, lambda i: 3 * i),
    "kept_alive": (kept_alive, lambda i: f"square {i}"),
    "exception_out_of_a_callback": (exception_out_of_a_callback, lambda i: i),
    "exception_that_is_translated": (exception_that_is_translated, lambda i: -1),
    "redirected_one_at_a_time": (redirected_one_at_a_time, lambda i: (3 * i, f"{i}{3 * i}")),
    "calls_in_calls": (calls_in_calls, lambda i: f"task {i}:14"),
}


if __name__ == "__main__":
    case, expected = CASES[sys.argv[1]]
    if sys.argv[1] == "function_under_a_loop":
        assert calls.twice("loop", lambda x: check(case, expected) or x) == "loop:3"
    else:
        check(case, expected)
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"
