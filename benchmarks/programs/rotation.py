"""Steps many tasks in turn, each at a checkpoint of its own; prints seconds for one step, as JSON.

With one task the caches hold all that a step touches; with thousands every step begins cold.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

from rows import CONTENDERS


def starter(contender: str, steps: int) -> Callable[[], Coroutine[Any, Any, None]]:
    if contender == "native":

        async def work() -> None:
            for _ in range(steps):
                await asyncio.sleep(0)

        return work
    library = importlib.import_module(contender)
    await_ = library.await_

    def sync_work() -> None:
        for _ in range(steps):
            await_(asyncio.sleep(0))

    return lambda: library.with_portal_run_sync(sync_work)


async def measure(contender: str, count: int, steps: int) -> float:
    start = starter(contender, steps)
    tasks = [asyncio.create_task(start()) for _ in range(count)]
    gc.collect()
    gc.disable()
    await asyncio.sleep(0)  # all of them are at their first checkpoint
    begin = time.thread_time()
    await asyncio.wait(tasks)
    return (time.thread_time() - begin) / count / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("count", type=int)
    parser.add_argument("steps", type=int)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(**vars(arguments)))))


if __name__ == "__main__":
    main()
