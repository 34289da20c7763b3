"""Suspends many calls at once on asyncio and lets them finish; prints what that took, as JSON.

Every call is in a task of its own and waits for a future of its own. The native contender is an
async function that awaits it; the others are a sync function, run in a portal, that does.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import memory
from rows import CONTENDERS

Start = Callable[[], Coroutine[Any, Any, None]]


class Crowd:
    """Calls that wait at once; `start` makes the coroutine of one."""

    def __init__(self, contender: str, loop: asyncio.AbstractEventLoop) -> None:
        self.futures: list[asyncio.Future[None]] = []
        self.finished = 0
        self.all_finished: asyncio.Future[None] = loop.create_future()
        if contender == "native":
            self.start: Start = self.wait_natively
        else:
            library = importlib.import_module(contender)
            await_ = library.await_

            def wait() -> None:
                future = loop.create_future()
                self.futures.append(future)
                await_(future)
                self.one_finished()

            self.start = lambda: library.with_portal_run_sync(wait)

    async def wait_natively(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        await future
        self.one_finished()

    def one_finished(self) -> None:
        self.finished += 1
        if self.finished == len(self.futures):
            self.all_finished.set_result(None)


class Clocks:
    """Seconds since the last call: of this thread's work, and of the day."""

    def __init__(self) -> None:
        self.lap()

    def lap(self) -> dict[str, float]:
        cpu, wall = time.thread_time(), time.perf_counter()
        passed = (
            {} if not hasattr(self, "cpu") else {"cpu": cpu - self.cpu, "wall": wall - self.wall}
        )
        self.cpu, self.wall = cpu, wall
        return passed


async def suspend_all(crowd: Crowd, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(crowd.start()) for _ in range(count)]
    # The loop runs what is scheduled in the order of scheduling: all of them are before us.
    await asyncio.sleep(0)
    assert len(crowd.futures) == count
    return tasks


async def let_finish(crowd: Crowd) -> None:
    for future in crowd.futures:
        future.set_result(None)
    await crowd.all_finished
    await asyncio.sleep(0)  # the last one's step ends


async def measure(contender: str, count: int) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    crowd = Crowd(contender, loop)
    # The event loop's own paths have been taken once; the first portal is yet to be made.
    warm = Crowd("native", loop)
    await suspend_all(warm, 10)
    await let_finish(warm)
    memory.settle()

    used = memory.usage()
    before = memory.resident()
    clocks = Clocks()
    tasks = await suspend_all(crowd, count)
    reach = clocks.lap()
    peak = memory.resident()
    clocks.lap()
    await let_finish(crowd)
    finish = clocks.lap()
    after = memory.resident()
    assert all(task.done() for task in tasks)
    return {
        "count": count,
        "each": {name: (peak[name] - before[name]) / count for name in peak},
        "peak": peak,
        "after": after,
        "reach": reach,
        "finish": finish,
        "usage": {name: value - used[name] for name, value in memory.usage().items()},
        "python": list(sys.version_info[:2]),
    }


def print_measured(
    description: str | None, measure: Callable[[str, int], Coroutine[Any, Any, object]]
) -> None:
    """Run `measure` as the command line says, and print what it returns as JSON."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("count", type=int)
    parser.add_argument("--stack-size", type=int, help="of Switchback's stacks, in bytes")
    arguments = parser.parse_args()
    if arguments.stack_size is not None:
        importlib.import_module("switchback").settings.stack_size = arguments.stack_size
    print(json.dumps(asyncio.run(measure(arguments.contender, arguments.count))))


if __name__ == "__main__":
    print_measured(__doc__, measure)
