"""Run as a child, with the library of counted_calls.c preloaded: what calls of the system it takes.

Usage: with_counted_calls.py LIBRARY CASE
"""

import _thread
import ctypes
import errno
import mmap
import os
import signal
import sys
import time

from support.by_hand import finish, suspended, trap
from support.threads import in_thread

from switchback import _engine, await_

calls = ctypes.CDLL(sys.argv[1])
calls.count.restype = ctypes.c_long
GUARD, GUARD_BY_MPROTECT, POPULATE, DISCARD = range(4)


def wait():
    return await_(trap())


def run_many(count):
    portals = [suspended(wait) for _ in range(count)]
    for portal in portals:
        finish(portal)


def skip(reason):
    print(reason)
    sys.exit(77)


def calls_of(kind, function, *args):
    before = calls.count(kind)
    function(*args)
    return calls.count(kind) - before


def kernel_without_guards():
    calls.refuse(GUARD, errno.EINVAL)
    assert calls_of(GUARD, run_many, 50) == 1
    assert calls.count(GUARD_BY_MPROTECT) == 50


def has_guards():
    run_many(1)
    return calls.count(GUARD_BY_MPROTECT) == 0


def advises_several():
    """Whether the kernel knows process_madvise() of a process for itself."""
    page = mmap.mmap(-1, mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    parts = (ctypes.c_size_t * 2)(address, mmap.PAGESIZE)
    itself, populate = -10001, 23
    before = calls.count(POPULATE)
    advised = calls.process_madvise(itself, parts, ctypes.c_size_t(1), populate, 0)
    assert calls.count(POPULATE) == before + 1
    return advised == mmap.PAGESIZE


def stacks_used_again():
    if not has_guards():
        skip("the kernel has no guards of its own")
    of_this_thread = _engine.live_stacks()
    in_thread(run_many, 5)
    # The thread may end a little after it has been waited for.
    deadline = time.monotonic() + 20
    while _engine.live_stacks() > of_this_thread and time.monotonic() < deadline:
        time.sleep(0.001)
    # The slab is kept, with the guards in it.
    assert calls_of(GUARD, in_thread, run_many, 5) == 0


def prepared_together():
    if not has_guards():
        skip("the kernel has no guards of its own")
    if not advises_several():
        skip("process_madvise() does not take a process for itself")
    portals = []
    guards = calls_of(GUARD, lambda: portals.extend(suspended(wait) for _ in range(2_000)))
    assert guards < 600, guards
    assert calls.count(POPULATE) < 300
    for portal in portals:
        finish(portal)


def populated_together():
    if not has_guards():
        skip("the kernel has no guards of its own")
    if not advises_several():
        skip("process_madvise() does not take a process for itself")
    portals = [suspended(wait) for _ in range(2_000)]
    assert calls.count(POPULATE) > 50
    for portal in portals:
        finish(portal)


def mappings_counted_down():
    calls.refuse(GUARD, errno.EINVAL)
    with open("/proc/sys/vm/max_map_count") as file:
        most = int(file.read())
    if most > 200_000:
        skip("vm.max_map_count is too high to be reached here")
    for _ in range(most // 400):
        in_thread(run_many, 500)


def in_c(levels, function):
    return max([levels], key=lambda _: in_c(levels - 1, function) if levels else function())


def deep_once():
    def deep():
        in_c(300, wait)

    def shallow():
        wait()

    finish(suspended(deep))
    assert calls_of(DISCARD, finish, suspended(deep)) > 0
    finish(suspended(shallow))
    assert calls_of(DISCARD, finish, suspended(shallow)) == 0


def fork_amid_the_end_of_a_thread():
    _engine.idle_stacks()
    calls.delay(DISCARD, 1_000)
    # It gives its stacks back without the GIL, and nobody waits for its end.
    _thread.start_new_thread(run_many, (2,))
    deadline = time.monotonic() + 10
    while calls.started(DISCARD) == 0:
        assert time.monotonic() < deadline, "no stack is given back"
    child = os.fork()
    calls.delay(DISCARD, 0)
    if child == 0:
        signal.alarm(20)
        run_many(3)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    run_many(3)


CASES = (
    kernel_without_guards,
    stacks_used_again,
    prepared_together,
    populated_together,
    mappings_counted_down,
    deep_once,
    fork_amid_the_end_of_a_thread,
)
{case.__name__: case for case in CASES}[sys.argv[2]]()
