"""Debug mode: locks held at a suspension, waits that block a loop, modules left out of order."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import shutil
import threading
import time
import warnings

import pytest
from support.by_hand import finish, suspended, trap
from support.calls_under_way import build, end_out_of_order, load, portal_in, wait
from support.children import check_code, run_code

from switchback import _engine, await_, settings, with_portal_run_sync


@pytest.fixture(autouse=True)
def debug():
    settings.debug = True
    yield
    settings.debug = False


@contextlib.contextmanager
def told():
    """The warnings of the block, as text."""
    texts = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    texts += [(str(found.message), found.filename, found.lineno) for found in caught]


# Locks.


@pytest.mark.parametrize(
    ("lock", "consequence"),
    [
        (threading.Lock(), "blocks the event loop"),
        (threading.RLock(), "lets other tasks of its thread in"),
        (threading._PyRLock(), "lets other tasks of its thread in"),
        (threading.Condition(), "lets other tasks of its thread in"),
    ],
    ids=["Lock", "RLock", "RLock in Python", "Condition"],
)
def test_a_lock_that_a_frame_holds_is_told_with_its_place(lock, consequence):
    def work():
        with lock:
            return sorted([1], key=lambda _: await_(trap(1)) or 1)

    with told() as texts:
        finish(suspended(work))
    [(text, file, line)] = texts
    assert "work() waits in await_()" in text
    assert consequence in text
    assert "switchback.exclusive()" in text
    assert (file, line) == (__file__, work.__code__.co_firstlineno + 1)


def test_locks_of_all_frames_are_told_once_each():
    first, second, third = threading.Lock(), threading.RLock(), threading.Lock()

    def outer():
        with first, contextlib.nullcontext(), second:
            inner()

    def inner():
        try:
            with third:
                await_(trap())
        finally:
            pass

    with told() as texts:
        finish(suspended(outer))
    told_of = [text.partition(" at 0x")[2].partition(">")[0] for text, _, _ in texts]
    assert told_of == [f"{id(lock):x}" for lock in (third, second, first)]


def test_locks_that_are_not_held_are_not_told():
    lock, other = threading.Lock(), threading.Lock()

    def resume(portal):
        with other:
            portal.send(None)

    def work():
        with lock:
            pass
        await_(trap())
        try:
            with lock:
                raise LookupError
        except LookupError:
            await_(trap())
        with contextlib.suppress(ValueError), open(__file__):
            await_(trap())

    with told() as texts:
        portal = suspended(work)
        # What the resumer holds is not the portal's.
        resume(portal)
        finish(portal)
    assert texts == []


def test_a_warning_that_is_an_error_does_no_harm(capsys):
    def work():
        with threading.Lock():
            return await_(trap(1))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        portal = _engine.open_call_portal(work, ())
        with pytest.MonkeyPatch.context() as context:
            ignored = []
            context.setattr("sys.unraisablehook", lambda found: ignored.append(found.exc_value))
            assert portal.send(None) == 1
    assert [type(error) for error in ignored] == [RuntimeWarning]
    with pytest.raises(StopIteration):
        portal.send(None)


# What blocks the event loop.


def test_the_result_of_a_coroutine_of_this_loop_is_refused():
    async def main():
        loop = asyncio.get_running_loop()

        def work(timeout):
            future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "result"), loop)
            with pytest.raises(RuntimeError, match="would block the event loop") as raised:
                future.result(timeout)
            assert "await_()" in str(raised.value)
            return await_(asyncio.wrap_future(future))

        for timeout in (None, 5):
            assert await with_portal_run_sync(work, timeout) == "result"
        # In another thread it can wait.
        future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "other"), loop)
        assert await asyncio.to_thread(future.result, 5) == "other"
        assert future.result() == "other"

    asyncio.run(main())


def wait_for_queue():
    entries = queue.Queue()
    threading.Timer(1.9, entries.put, (1,)).start()
    entries.get()


def wait_for_queue_with_timeout():
    with contextlib.suppress(queue.Empty):
        queue.Queue().get(timeout=1.9)


def wait_for_thread():
    thread = threading.Thread(target=time.sleep, args=(1.9,))
    thread.start()
    thread.join()


def wait_for_lock():
    lock = threading.Lock()
    lock.acquire()
    threading.Timer(1.9, lock.release).start()
    with lock:
        pass


def wait_for_future():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        pool.submit(time.sleep, 1.9).result()


@pytest.mark.threads
@pytest.mark.parametrize(
    "call",
    [
        wait_for_queue,
        wait_for_queue_with_timeout,
        wait_for_thread,
        wait_for_lock,
        wait_for_future,
    ],
)
def test_what_blocks_the_loop_for_a_second_is_named_with_its_stack(call):
    def work():
        await_(asyncio.sleep(0))
        call()

    with told() as texts:
        asyncio.run(with_portal_run_sync(work))
    [(text, file, _)] = [found for found in texts if "has blocked" in found[0]]
    assert f"{call.__name__}() has blocked an event loop" in text
    assert "in work" in text
    assert file == __file__


@pytest.mark.threads
def test_a_busy_loop_and_waits_elsewhere_raise_no_alarm():
    def work():
        await_(asyncio.sleep(0))
        end = time.monotonic() + 1.6
        while time.monotonic() < end:
            sum(range(1000))
        sorted(range(3_000_000), key=lambda number: -number)
        await_(asyncio.sleep(1.3))

    async def main():
        await asyncio.gather(
            with_portal_run_sync(work), asyncio.to_thread(threading.Event().wait, 1.6)
        )

    with told() as texts:
        asyncio.run(main())
        # No loop runs any more.
        threading.Event().wait(1.4)
    assert texts == []


# Modules that were left out of order.


def test_a_module_that_was_left_out_of_order_is_named_with_both_calls(tmp_path):
    place = build(tmp_path / "calls.so", "thread-local")
    calls = load(place)
    with told() as texts:
        assert end_out_of_order([portal_in(calls, number) for number in range(5)])
    [(text, _, _)] = texts
    assert str(place) in text
    assert text.count("by_hand.py") + text.count("calls_under_way.py") == 2
    assert "switchback.exclusive()" in text


def test_a_module_that_was_left_in_order_is_not_named(tmp_path):
    calls = load(shutil.copy(build(tmp_path / "calls.so", "thread-local"), tmp_path / "other.so"))
    with told() as texts:
        portals = [portal_in(calls, number) for number in range(5)]
        while portals:
            finish(portals.pop())
        for number in range(5):
            finish(portal_in(calls, number))
    assert texts == []


def test_a_module_that_the_resumer_is_inside_of_is_not_the_portals(tmp_path):
    calls = load(build(tmp_path / "calls.so", "thread-local"))
    with told() as texts:
        portals = []
        for _ in range(3):
            calls.call_back(1, lambda: portals.append(suspended(wait)))
        for portal in portals:
            finish(portal)
    assert texts == []


# The switch.


@pytest.mark.in_child_process
@pytest.mark.parametrize(
    ("options", "value", "is_on"),
    [
        ((), None, False),
        ((), "1", True),
        ((), "0", False),
        ((), "", False),
        (("-X", "dev"), None, True),
        (("-X", "dev"), "0", False),
    ],
)
def test_where_it_is_on_at_first(options, value, is_on, monkeypatch):
    monkeypatch.delenv("PYTHONDEVMODE", raising=False)
    monkeypatch.delenv("SWITCHBACK_DEBUG", raising=False)
    if value is not None:
        monkeypatch.setenv("SWITCHBACK_DEBUG", value)
    check_code(
        f"""
        import sys
        import switchback
        assert switchback.settings.debug is {is_on}
        assert "asyncio" not in sys.modules
        """,
        options=options,
    )


@pytest.mark.in_child_process
def test_another_value_of_the_variable_is_refused(monkeypatch):
    monkeypatch.setenv("SWITCHBACK_DEBUG", "maybe")
    child = run_code("import switchback")
    assert "ValueError: SWITCHBACK_DEBUG: 0 or 1, not 'maybe'" in child.stdout


def test_it_is_a_bool():
    with pytest.raises(TypeError, match="debug is a bool, not int"):
        settings.debug = 1
    assert settings.debug is True


def test_steps_that_begin_after_it_is_off_are_not_looked_at():
    def work():
        with threading.Lock():
            await_(trap())

    settings.debug = False
    with told() as texts:
        finish(suspended(work))
    assert texts == []
    original = asyncio.run_coroutine_threadsafe
    settings.debug = True
    assert asyncio.run_coroutine_threadsafe is not original
    settings.debug = False
    assert asyncio.run_coroutine_threadsafe is original
