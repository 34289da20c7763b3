"""A child process forked in the synchronous code of a portal goes on there, and may await."""

import asyncio
import os
import sys
import warnings

from switchback import _engine, await_, ensure_portal

warnings.simplefilter("ignore", DeprecationWarning)  # fork() in a process with threads


def wait():
    await_(asyncio.sleep(1000))


async def waiting():
    await ensure_portal()
    wait()


def fork():
    await_(asyncio.sleep(0.01))
    child = os.fork()
    if child == 0:
        # The stacks are copies, at the same addresses, in the one thread that is left.
        portal = _engine.open_call_portal(lambda: await_(asyncio.sleep(0)), ())
        portal.send(None)
        portal.close()
        sys.stdout.flush()
        os._exit(5)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 5
    await_(asyncio.sleep(0))


async def main():
    task = asyncio.create_task(waiting())
    await ensure_portal()
    fork()
    task.cancel()


asyncio.run(main())
