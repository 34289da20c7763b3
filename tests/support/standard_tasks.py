"""What fifty tasks do in other C code that calls Python back: `python standard_tasks.py CASE`."""

from __future__ import annotations

import ctypes
import functools
import sqlite3
import sys
import xml.parsers.expat

from support.many_tasks import check, later


def ctypes_callback(index):
    compare = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)
    )
    values = (ctypes.c_int * 4)(3, index, 1, 2)
    order = compare(lambda a, b: later(index, a[0] - b[0], b[0]))
    ctypes.CDLL(None).qsort(values, 4, 4, order)
    return list(values)


def cffi_callback(index):
    import cffi

    ffi = cffi.FFI()
    ffi.cdef("void qsort(void*, size_t, size_t, int (*)(const void*, const void*));")
    values = ffi.new("int[4]", [3, index, 1, 2])

    @ffi.callback("int(const void*, const void*)")
    def order(a, b):
        return later(index, ffi.cast("int*", a)[0] - ffi.cast("int*", b)[0])

    ffi.dlopen(None).qsort(values, 4, 4, order)
    return list(values)


def sqlite_function(index):
    with sqlite3.connect(":memory:") as connection:
        connection.create_function("later", 1, lambda x: later(index, index * x, x))
        return connection.execute("select later(1) + later(2)").fetchone()[0]


def sqlite_aggregate(index):
    class Sum:
        def __init__(self):
            self.sum = 0

        def step(self, value):
            self.sum += later(index, value, value)

        def finalize(self):
            return later(index, self.sum)

    with sqlite3.connect(":memory:") as connection:
        connection.create_aggregate("total_later", 1, Sum)
        connection.execute("create table numbers (n)")
        connection.executemany("insert into numbers values (?)", [(1,), (2,), (index,)])
        return connection.execute("select total_later(n) from numbers").fetchone()[0]


def sqlite_authorizer_and_collation(index):
    with sqlite3.connect(":memory:") as connection:
        connection.create_collation(
            "later", lambda a, b: later(index, (a > b) - (a < b), len(a + b))
        )
        connection.execute("create table names (n text)")
        connection.executemany("insert into names values (?)", [("b",), ("c",), (f"a{index}",)])
        connection.set_authorizer(lambda *_: later(index, sqlite3.SQLITE_OK))
        found = connection.execute("select n from names order by n collate later").fetchall()
        connection.set_authorizer(None)
        return [name for (name,) in found]


def sqlite_progress(index):
    seen = []
    with sqlite3.connect(":memory:") as connection:
        connection.set_progress_handler(lambda: seen.append(later(index, None, len(seen))), 40)
        connection.set_trace_callback(lambda _: later(index, None))
        numbers = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 60)"
        total = connection.execute(f"{numbers} select sum(x) + {index} from n").fetchone()[0]
    return total, len(seen) > 2


def expat_handlers(index):
    parser = xml.parsers.expat.ParserCreate()
    names = []
    parser.StartElementHandler = lambda name, _: names.append(later(index, name, len(names)))
    parser.Parse(f"<a{index}><b/><c/></a{index}>", True)
    return names


def reduce_and_sort(index):
    values = sorted([3, index, 1], key=lambda value: later(index, value, value))
    return functools.reduce(lambda a, b: later(index, a + b), values)


CASES = {
    "ctypes_callback": (ctypes_callback, lambda i: sorted([3, i, 1, 2])),
    "cffi_callback": (cffi_callback, lambda i: sorted([3, i, 1, 2])),
    "sqlite_function": (sqlite_function, lambda i: 3 * i),
    "sqlite_aggregate": (sqlite_aggregate, lambda i: 3 + i),
    "sqlite_authorizer_and_collation": (
        sqlite_authorizer_and_collation,
        lambda i: [f"a{i}", "b", "c"],
    ),
    "sqlite_progress": (sqlite_progress, lambda i: (1830 + i, True)),
    "expat_handlers": (expat_handlers, lambda i: [f"a{i}", "b", "c"]),
    "reduce_and_sort": (reduce_and_sort, lambda i: 4 + i),
}


if __name__ == "__main__":
    check(*CASES[sys.argv[1]])
