"""A greenlet that a portal has started is resumed from a stack that lies below the portal's.

greenlet takes a thread's stack for one piece. It saves what lies between the resumer and the end of
the greenlet's own part, which is all that is mapped, or not, between the two stacks. Where mappings
go, the kernel decides by the limit of the first thread's stack, so that it runs with two of them.
"""

# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import asyncio
import importlib.util
import mmap
import os
import resource
import sys
import threading

from switchback import await_, with_portal_run_sync

if importlib.util.find_spec("greenlet") is None:
    print("needs greenlet")
    sys.exit(77)


def begin():
    await_(asyncio.sleep(0))
    # Not earlier, so that the portal begins on a stack of ours.
    import greenlet

    child = greenlet.greenlet(lambda: greenlet.getcurrent().parent.switch("waits"))
    assert child.switch() == "waits"
    await_(asyncio.sleep(0))
    return child


async def main():
    child = await with_portal_run_sync(begin)
    child.parent = sys.modules["greenlet"].getcurrent()
    return child.switch("result")


def run():
    hole.close()  # portals' stacks go there, above this thread's
    results.append(asyncio.run(main()))


results = []
hole = mmap.mmap(-1, 256 << 20)
threading.stack_size(64 << 20)
thread = threading.Thread(target=run)
thread.start()
thread.join()
assert results == ["result"]

most = resource.getrlimit(resource.RLIMIT_STACK)[1]
if sys.argv[1:] != ["unlimited"] and most == resource.RLIM_INFINITY:
    resource.setrlimit(resource.RLIMIT_STACK, (most, most))
    os.execv(sys.executable, [*sys.orig_argv, "unlimited"])
