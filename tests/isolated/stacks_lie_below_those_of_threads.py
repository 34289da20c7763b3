"""Stacks of portals lie below those of threads, which greenlet takes for one piece with them."""
# mark: needs_native: is about stacks of our own
# mark: not_under asan tsan qemu: the address space is laid out in another way

import sys
import threading

from support.by_hand import finish, suspended, trap

from switchback import await_

if not sys.platform.startswith("linux"):
    print("reads /proc")
    sys.exit(77)


def mappings():
    with open("/proc/self/maps") as file:
        lines = [line for line in file if "[heap]" not in line]
    return {tuple(int(end, 16) for end in line.split()[0].split("-")) for line in lines}


def wait():
    await_(trap())


before = mappings()
portals = [suspended(wait) for _ in range(20)]
ours = [low for low, high in mappings() - before if high - low >= 10 << 20]
assert ours
before = mappings()
starts = threading.Barrier(2)
ends = threading.Barrier(2)
thread = threading.Thread(target=lambda: (starts.wait(), ends.wait()))
thread.start()
starts.wait()
theirs = [low for low, high in mappings() - before if high - low >= 1 << 20]
ends.wait()
thread.join()
assert theirs
assert max(ours) < min(theirs), (ours, theirs)
for portal in portals:
    finish(portal)
