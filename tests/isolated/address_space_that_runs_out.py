"""Under a limit of address space, suspending one portal too many is a MemoryError, no more."""

# mark: needs_native: greenlet itself does not survive a lack of memory
# mark: not_under asan tsan: the sanitizer has an allocator of its own, which cannot be made to fail

import gc
import resource

from support.by_hand import trap
from support.resident_memory import mapped_bytes

from switchback import _engine, await_


def wait(levels):
    if levels:
        return wait(levels - 1)
    try:
        return await_(trap())
    finally:
        log.append("finally")


def suspend_until_memory_runs_out():
    portals = []
    while True:
        portal = _engine.open_call_portal(wait, (len(portals) % 100,))
        try:
            portal.send(None)
        except MemoryError:
            return portals, portal
        portals.append(portal)


log = []
unlimited = resource.getrlimit(resource.RLIMIT_AS)
for megabytes in (100, 1000, 4000):
    resource.setrlimit(resource.RLIMIT_AS, (mapped_bytes() + megabytes * 2**20, unlimited[1]))
    portals, refused = suspend_until_memory_runs_out()
    assert len(portals) > megabytes // 20, (megabytes, len(portals))
    # There is room again once one has ended, for the one that had none, too.
    try:
        portals.pop().send("value")
    except StopIteration as stop:
        assert stop.value == "value"
    assert refused.send(None) == "trap"
    portals.append(refused)
    del refused
    most = len(portals)
    for portal in portals[::2]:
        portal.close()
    del portals, portal
    gc.collect()
    assert len(log) == most + 1, (len(log), most)
    assert _engine.live_stacks() == _engine.idle_stacks()
    log.clear()
    resource.setrlimit(resource.RLIMIT_AS, unlimited)
