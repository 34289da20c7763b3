"""What tasks share while one waits: modules, locks, connections, C code, trace functions."""

import contextlib
import ctypes
import functools
import importlib
import json
import pathlib
import re
import sqlite3
import sys
import tempfile
import threading

import pytest

from switchback import await_, with_portal_run_sync

pytestmark = pytest.mark.page_size


@pytest.fixture
def modules(monkeypatch):
    """Makes modules out of their source; they are forgotten when the test ends."""
    before = set(sys.modules)
    # Not `tmp_path`: pytest notes each of its uses until the session ends, which leak.sh counts.
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


@pytest.mark.threads
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


@pytest.mark.threads
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
