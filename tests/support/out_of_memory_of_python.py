"""Run by test_out_of_memory.py: each operation with the n-th of Python's allocations failing.

Usage: out_of_memory_of_python.py OPERATION
"""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref

from support.short_of_memory import (
    KINDS,
    check_next_portals,
    check_stacks,
    coroutine,
    left,
    start,
    sync,
)

import switchback
from switchback import _engine, await_


def is_for_want_of_memory(error):
    """Whether a MemoryError, or what the interpreter makes of it.

    Where there is no memory for the frame object of a traceback, it loses the exception.
    """
    lost = ("error return without exception set", "returned NULL without setting an exception")
    return isinstance(error, MemoryError) or (
        isinstance(error, SystemError) and str(error).endswith(lost)
    )


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


if __name__ == "__main__":
    check_next_portals()
    if sys.argv[1] in OPERATIONS:
        run_operation(sys.argv[1])
    else:
        {"drop": run_drop, "bestow": run_bestow}[sys.argv[1]]()
    check_next_portals()
