"""Daemon threads that the exit of the process stops in await_() are not unwound into a crash."""

# mark: threads
# mark: not_under tsan: ThreadSanitizer does not let a thread end on a stack of ours

import asyncio
import subprocess
import sys
import threading
import time

from switchback import await_, with_portal_run_sync


class BlocksInPython:
    def __await__(self):
        while True:
            time.sleep(0.0005)
        yield


class BlocksInNext:
    def __await__(self):
        return self

    def __next__(self):
        while True:
            time.sleep(0.0005)


def block_below_c(make):
    return sorted([1], key=lambda _: await_(make()))


def child(name):
    make = {"python": BlocksInPython, "next": BlocksInNext}[name]

    def run(function):
        asyncio.run(with_portal_run_sync(function))

    for _ in range(4):
        for function in (lambda: await_(make()), lambda: block_below_c(make)):
            threading.Thread(target=run, args=(function,), daemon=True).start()
    time.sleep(0.2)
    print("end of main")


if len(sys.argv) > 1:
    child(sys.argv[1])
else:
    for name in ("python", "next") * 4:
        result = subprocess.run(
            [sys.executable, "-X", "faulthandler", __file__, name], capture_output=True, text=True
        )
        assert result.returncode == 0, (name, result)
        assert result.stdout == "end of main\n", (name, result)
        assert result.stderr == "", (name, result)
