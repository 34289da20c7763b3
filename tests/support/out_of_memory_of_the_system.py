"""Run by test_out_of_memory.py: what the engine asks of the system and of C++ fails.

Usage: LD_PRELOAD=failing_calls.so out_of_memory_of_the_system.py CALL
"""

from __future__ import annotations

import ctypes
import gc
import sys

from support.by_hand import trap
from support.short_of_memory import (
    KINDS,
    check_next_portals,
    check_stacks,
    finish,
    start,
)
from support.threads import in_thread

from switchback import _engine, await_

STACK_MAP, ANY_MAP, GUARD_BY_MADVISE, GUARD_BY_MPROTECT, NEW = range(5)
calls = ctypes.CDLL(None)


def suspend_many(most, kinds, n, forever):
    """Suspend so many portals, with calls failing; return the errors of those that could not."""
    errors = []
    portals = [KINDS[0]() for _ in range(most)]
    for kind in kinds:
        calls.fail_at(kind, n if kind == kinds[-1] else 0, forever)
    for portal in portals:
        try:
            start(portal)
        except MemoryError as error:
            errors.append((portal, str(error)))
    for kind in kinds:
        calls.fail_at(kind, -1, 0)
    # With memory again, they start where they could not.
    for portal, _ in errors:
        start(portal)
    for portal in portals:
        finish(portal)
    check_next_portals()
    return [error for _, error in errors]


def run_maps():
    """Mapping stacks fails at the n-th time, of many portals that are suspended at once."""
    of_main = _engine.idle_stacks()
    for n in range(4):
        for forever in (0, 1):
            # None may be left in the pool, so that each portal needs a new one: so in a thread.
            def run(n=n, forever=forever):
                failures = suspend_many(400, [STACK_MAP], n, forever)
                # Where there is no room for as many stacks as are mapped together, fewer are.
                assert bool(failures) == bool(forever), (n, forever, len(failures))
                check_stacks(of_main)

            in_thread(run)
            check_stacks()


def run_guards():
    """No guard can be set; the first that madvise() refuses has it given up for mprotect()."""
    of_main = _engine.idle_stacks()
    for n in range(30):
        total = []

        def run(n=n, total=total):
            failures = suspend_many(30, [GUARD_BY_MADVISE, GUARD_BY_MPROTECT], n, 1)
            assert all("vm.max_map_count" in failure for failure in failures)
            total.append(len(failures))
            check_stacks(of_main)

        in_thread(run)
        check_stacks()
        # A guard outlives its stack, until all stacks that were mapped together are unused.
        assert total[0] <= 30 - n and (n or total[0] > 0), (n, total)


def run_mappings():
    """Where guards take mappings, there is an error before there are none for anything else."""
    with open("/proc/sys/vm/max_map_count") as file:
        most = int(file.read())
    if most > 200_000:
        print("vm.max_map_count is too high to be reached here")
        sys.exit(77)
    calls.fail_at(GUARD_BY_MADVISE, 0, 1)
    portals = []
    try:
        while True:
            portals.append(start(KINDS[0]()))
            assert len(portals) < most
    except MemoryError as error:
        assert "sysctl vm.max_map_count" in str(error), error
    print(len(portals), "portals")
    assert len(portals) > most // 16 * 6
    # There are enough for a thread, a big allocation, and a library.
    in_thread(lambda: bytes(200_000_000) and None)
    import sqlite3

    sqlite3.connect(":memory:").close()
    for portal in portals:
        finish(portal)
    check_next_portals()
    check_stacks()


def run_new():
    """The record that the engine keeps of each thread cannot be made."""
    of_main = _engine.idle_stacks()

    def step():
        portals = [open_one() for open_one in KINDS]
        calls.fail_at(NEW, 0, 1)
        errors = 0
        for portal in portals:
            try:
                portal.send(None)
            except MemoryError:
                errors += 1
        try:
            _engine.idle_stacks()
        except MemoryError:
            errors += 1
        _engine.close_suspended_portals()
        # Without a record there is no step that runs, and none of what asks for it fails.
        assert not _engine.has_active_portal()
        calls.fail_at(NEW, -1, 0)
        assert errors == len(portals) + 1, errors
        for portal in portals:
            finish(start(portal))
        check_next_portals()
        check_stacks(of_main)

    in_thread(step)
    check_stacks()


def run_owners():
    """Portals that have to be unwound cannot be noted: they are left as they are, and live on."""
    portal = start(KINDS[0]())
    references = sys.getrefcount(portal)
    calls.fail_at(NEW, 0, 1)
    _engine.close_suspended_portals()
    calls.fail_at(NEW, -1, 0)
    assert sys.getrefcount(portal) == references
    finish(portal)

    # One that is dropped in another thread than its own is leaked.
    dropped, left = [], []

    def own():
        dropped.append(start(KINDS[0]()))
        calls.fail_at(NEW, 0, 1)
        in_thread(dropped.clear)
        calls.fail_at(NEW, -1, 0)
        gc.collect()
        finish(start(KINDS[0]()))
        left.append(_engine.live_stacks() - _engine.idle_stacks())

    in_thread(own)
    assert left[0] >= 1
    check_next_portals()


def deep(levels):
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = b0 = b1 = b2 = b3 = b4 = levels
    if levels:
        return (a0, (a1, (a2, (a3, (a4, (a5, (a6, (a7, (a8, (a9, deep(levels - 1)))))))))))[0]
    return (b0, b1, b2, b3, b4, await_(trap()))


def run_frames():
    """The interpreter's memory for frames runs out deep in a portal."""
    if sys.version_info < (3, 12):
        print("up to 3.11, the interpreter itself crashes")
        sys.exit(77)
    sys.setrecursionlimit(6000)
    errors = 0
    for n in range(12):
        portal = _engine.open_call_portal(deep, (4000,))
        calls.fail_at(ANY_MAP, n, 1)
        try:
            portal.send(None)
        except MemoryError:
            errors += 1
        finally:
            calls.fail_at(ANY_MAP, -1, 0)
        portal.close()
        check_next_portals()
        check_stacks()
    assert errors >= 3, errors


CALLS = {
    "stack-maps": run_maps,
    "guards": run_guards,
    "mappings": run_mappings,
    "new": run_new,
    "owners": run_owners,
    "frames": run_frames,
}

if __name__ == "__main__":
    check_next_portals()
    CALLS[sys.argv[1]]()
    check_next_portals()
