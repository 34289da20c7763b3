"""What is left of a thread that has had portals: nothing, unless portals refer to it."""

from __future__ import annotations

import ctypes
import gc
import itertools
import sys
import weakref

import pytest
from support.by_hand import finish, suspended, trap
from support.children import FREED_OBJECTS, check_child, run_python
from support.threads import in_thread

from switchback import await_

pytestmark = pytest.mark.threads


def wait():
    return await_(trap())


def bytes_in_use():
    """What malloc() has handed out."""

    class Information(ctypes.Structure):
        # The eighth is what is in use.
        _fields_ = [(f"field_{n}", ctypes.c_size_t) for n in range(1, 11)]

    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        pytest.skip("the C library does not tell what is in use")
    mallinfo2.restype = Information
    return mallinfo2().field_8


@pytest.mark.not_under("asan", "tsan", reason="a sanitizer has an allocator of its own")
def test_the_records_of_threads_are_freed():
    def run_threads():
        for _ in range(200):
            in_thread(lambda: finish(suspended(wait)))
        gc.collect()
        return bytes_in_use()

    readings = [run_threads() for _ in range(6)]
    growth = [after - before for before, after in itertools.pairwise(readings)]
    # A record has more than 100 bytes.
    assert sorted(growth)[len(growth) // 2] < 200 * 50, growth


def test_adopted_portals_are_freed():
    references = []

    def run():
        portal = suspended(wait)
        references.append(weakref.ref(portal))
        holder.append(portal)
        del portal
        in_thread(holder.clear)
        # The next step of the thread unwinds it.
        finish(suspended(wait))

    holder = []
    run()
    gc.collect()
    assert references[0]() is None
    in_thread(run)
    gc.collect()
    assert references[1]() is None


@pytest.mark.chooses_native(reason="greenlet kills a greenlet that refuses to end")
def test_a_thread_outlives_portals_that_were_abandoned_in_it():
    code = """
import sys
from support.by_hand import finish, suspended, trap
from support.threads import in_thread
from switchback import await_

sys.unraisablehook = lambda _: None
log = []

def refuse_to_end():
    while True:
        try:
            await_(trap())
        except GeneratorExit:
            pass

def note_the_end():
    try:
        await_(trap())
    finally:
        log.append("ended")

def drop():
    # Its memory is not used for another one.
    portal = suspended(refuse_to_end)
    del portal

def run():
    portals.append(suspended(note_the_end))
    drop()
    portals.append(suspended(note_the_end))
    finish(suspended(lambda: await_(trap())))

portals = []
for _ in range(3):
    in_thread(run)
    in_thread(drop)
run()
assert log == ["ended"] * 6, log
"""
    check_child(run_python("-c", code, SWITCHBACK_BACKEND="native", **FREED_OBJECTS))


def test_portals_that_others_suspend_as_their_thread_ends_are_unwound_as_well():
    def note_the_end(level):
        try:
            wait()
        finally:
            log.append(level)
            if level < 5:
                portals.append(suspended(note_the_end, level + 1))

    log, portals = [], []
    in_thread(lambda: portals.append(suspended(note_the_end, 1)))
    assert log == [1, 2, 3, 4, 5]


def test_the_exception_that_a_step_begins_with_survives_what_is_unwound_before_it():
    def run():
        holder.append(suspended(wait))
        in_thread(holder.clear)
        portal = suspended(wait)
        try:
            raise KeyError("outside")
        except KeyError as error:
            assert finish(portal) is None
            assert sys.exc_info()[1] is error

    holder = []
    in_thread(run)
