"""sys.exit() and os._exit() in the synchronous code of a portal, with others suspended."""

import asyncio
import os
import subprocess
import sys
import threading

from switchback import await_, ensure_portal, with_portal_run_sync


def wait():
    try:
        await_(asyncio.sleep(1000))
    finally:
        print("finally", flush=True)


async def waiting():
    await ensure_portal()
    wait()


def leave(how):
    tasks = [asyncio.get_running_loop().create_task(waiting()) for _ in range(3)]
    await_(asyncio.sleep(0.01))
    assert not any(task.done() for task in tasks)
    if how == "sys":
        sys.exit(7)
    if how == "os":
        os._exit(7)
    raise AssertionError(how)


def child(how):
    if how.startswith("thread-"):
        # Only the thread ends by sys.exit(), silently.
        thread = threading.Thread(target=child, args=(how.removeprefix("thread-"),))
        thread.start()
        thread.join()
    else:
        asyncio.run(with_portal_run_sync(leave, how))


if len(sys.argv) > 1:
    child(sys.argv[1])
else:
    for how, code, finallys in [("sys", 7, 3), ("os", 7, 0), ("thread-sys", 0, 3)]:
        result = subprocess.run(
            [sys.executable, "-X", "faulthandler", __file__, how], capture_output=True, text=True
        )
        assert result.returncode == code, (how, result)
        assert result.stdout.split() == ["finally"] * finallys, (how, result)
        assert result.stderr == "", (how, result.stderr)
