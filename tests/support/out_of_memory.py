"""Run as a child of test_out_of_memory.py: what a portal's life consists of, short of memory."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import threading
import time
import types
import weakref

import switchback
from switchback import _engine, await_

STACK_MAP, ANY_MAP, GUARD_BY_MADVISE, GUARD_BY_MPROTECT, NEW = range(5)
calls = ctypes.CDLL(None)


@types.coroutine
def trap():
    return (yield "trap")


class Iterator:
    """An awaitable with throw() and close() of its own."""

    def __await__(self):
        return self

    def __next__(self):
        return "trap"

    def send(self, value):
        if value is None:
            return "trap"
        raise StopIteration(value)

    def throw(self, exception):
        raise exception

    def close(self):
        pass


async def coroutine():
    return await trap()


def sync(make=trap):
    try:
        return await_(make())
    finally:
        left[0] = True


async def around_sync():
    return sync()


left = [False]


#: Functions that return portals of all kinds, each of which suspends once.
KINDS = [
    lambda: _engine.open_call_portal(sync, ()),
    lambda: _engine.open_call_portal(sync, (), {"make": coroutine}),
    lambda: _engine.open_call_portal(sync, (Iterator,)),
    lambda: _engine.open_portal(around_sync()),
    lambda: _engine.open_portal(coroutine()),
]


def start(portal):
    assert portal.send(None) == "trap"
    return portal


def finish(portal):
    try:
        portal.send("value")
    except StopIteration as stop:
        assert stop.value == "value", stop.value
        return
    raise AssertionError("the portal has not finished")


def check_next_portals():
    for open_one in KINDS:
        finish(start(open_one()))
        start(open_one()).close()


def check_stacks(of_others=0):
    """No stack is in use or lost: all that there are lie in the pool."""
    deadline = time.monotonic() + 5
    # Up to 3.12, a thread is joined a little before it gives back what is its own.
    while _engine.live_stacks() > of_others + _engine.idle_stacks():
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    live, idle = _engine.live_stacks() - of_others, _engine.idle_stacks()
    assert live == idle, f"{live} live, {idle} idle"


def is_for_want_of_memory(error):
    """Whether a MemoryError, or what the interpreter makes of it.

    Where there is no memory for the frame object of a traceback, it loses the exception.
    """
    lost = ("error return without exception set", "returned NULL without setting an exception")
    return isinstance(error, MemoryError) or (
        isinstance(error, SystemError) and str(error).endswith(lost)
    )


# Python's allocations: each operation is tried with the n-th failing, for every n it comes to.


def open_and_start(open_one):
    return start(open_one())


def call(open_one):
    return open_one()


def send_first(portal):
    portal.send(None)


def send_value(portal):
    try:
        portal.send("value")
    except StopIteration:
        pass


def throw(portal):
    try:
        portal.throw(KeyError("thrown"))
    except KeyError:
        pass


def close(portal):
    portal.close()


def read_attributes(portal):
    repr(portal)
    portal.cr_await
    portal.cr_running
    portal.cr_suspended


def open_again(portal):
    _engine.open_call_portal(sync, ()).close()
    _engine.call_in_portal(coroutine, ()).close()


OPERATIONS = {
    "create": (call, open_again),
    "start": (call, send_first),
    "close-unstarted": (call, close),
    "resume": (open_and_start, send_value),
    "throw": (open_and_start, throw),
    "close": (open_and_start, close),
    "read": (open_and_start, read_attributes),
}

#: So many runs in a row without an error mean that none of the calls that fail is reached any more.
ENOUGH = 30


def each_failure(attempt):
    """Call attempt(set_nomemory's arguments), telling whether it succeeded, for each n."""
    for forever in (False, True):
        successes = n = failed = 0
        while successes < ENOUGH:
            succeeded = attempt(n, 0 if forever else n + 1)
            successes = successes + 1 if succeeded else 0
            failed += not succeeded
            n += 1
            assert n < 5000
        print("forever:" if forever else "once:", failed, "of", n, "failed", flush=True)


def run_operation(name):
    import _testcapi

    prepare, operate = OPERATIONS[name]
    set_nomemory, remove = _testcapi.set_nomemory, _testcapi.remove_mem_hooks
    for open_one in KINDS:
        portals: list[weakref.ref] = []

        def attempt(first, last, open_one=open_one, portals=portals):
            portal = prepare(open_one)
            succeeded = False
            try:
                set_nomemory(first, last)
                operate(portal)
                remove()
                succeeded = True
            except (MemoryError, SystemError) as error:
                remove()
                assert is_for_want_of_memory(error), error
            # Whatever became of it, it can be closed, once there is memory again.
            portal.close()
            portals.append(weakref.ref(portal))
            check_next_portals()
            check_stacks()
            return succeeded

        each_failure(attempt)
        gc.collect()
        kept = [n for n, portal in enumerate(portals) if portal() is not None]
        assert not kept, f"{kept} of {len(portals)} portals"


def run_drop():
    """A portal that is dropped when there is no memory is closed all the same, or left as it is."""
    import _testcapi

    set_nomemory, remove = _testcapi.set_nomemory, _testcapi.remove_mem_hooks
    sys.unraisablehook = lambda unraisable: None
    lost = 0
    for open_one in KINDS:
        for n in range(60):
            portal = open_and_start(open_one)
            left[0] = False
            set_nomemory(n, n + 1)
            del portal
            remove()
            gc.collect()
            assert left[0] or open_one is KINDS[-1], (KINDS.index(open_one), n)
            check_next_portals()
            check_stacks(lost)
        for n in range(60):
            portal = open_and_start(open_one)
            set_nomemory(n, 0)
            del portal
            remove()
            gc.collect()
            _engine.close_suspended_portals()
            check_next_portals()
        # Without memory for so much as a GeneratorExit, a stack stays as it is, for good.
        lost = _engine.live_stacks() - _engine.idle_stacks()
    print(lost, "stacks lost")


def run_bestow():
    """A task that cannot be given a portal for want of memory stays as it was."""
    import _testcapi

    set_nomemory, remove = _testcapi.set_nomemory, _testcapi.remove_mem_hooks

    def wait(wants_portal):
        assert switchback.has_portal() == wants_portal
        if wants_portal:
            await_(asyncio.sleep(0))
        return "done"

    async def child(wanted):
        return wait(wanted[0])

    async def main():
        bestow = switchback.bestow_portal
        for forever in (False, True):
            successes = n = 0
            while successes < ENOUGH:
                wanted = [True]
                task = asyncio.create_task(child(wanted))
                try:
                    set_nomemory(n, 0 if forever else n + 1)
                    bestow(task)
                    remove()
                    successes += 1
                except MemoryError:
                    remove()
                    successes = 0
                    wanted[0] = switchback.has_portal(task)
                    assert not wanted[0]
                assert await task == "done"
                check_next_portals()
                n += 1
                assert n < 5000
        gc.collect()

    asyncio.run(main())
    check_stacks()


# What the engine asks of the system and of C++.


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


def in_thread(function):
    errors = []

    def run():
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def main(name):
    check_next_portals()
    if name in OPERATIONS:
        run_operation(name)
    else:
        {
            "stack-maps": run_maps,
            "guards": run_guards,
            "mappings": run_mappings,
            "drop": run_drop,
            "bestow": run_bestow,
            "new": run_new,
            "frames": run_frames,
        }[name]()
    check_next_portals()


if __name__ == "__main__":
    main(sys.argv[1])
