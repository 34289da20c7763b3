"""Creates and runs tasks, with a portal for each and without; prints samples as JSON.

A round measures each way in turn, in an order that rotates, so that what slows the machine down
for a while hits all of them alike.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import switchback

TASKS = 1500
AT_ONCE = 50
WAYS = ("native", "enabled", "tree", "native again")
Work = Callable[[], Awaitable[None]]


@asynccontextmanager
async def surroundings(way: str) -> AsyncIterator[None]:
    if way == "enabled":
        switchback.enable()
        try:
            yield
        finally:
            switchback.disable()
    elif way == "tree":
        with switchback.portals_for_children():
            yield
    else:
        yield


async def measure(works: dict[str, Work], block: Callable[..., Any], rounds: int) -> Any:
    """Return microseconds for one task, by what it does and where."""
    samples: dict[str, dict[str, list[float]]] = {name: {way: [] for way in WAYS} for name in works}
    for number in range(rounds):
        turn = number % len(WAYS)
        for way in WAYS[turn:] + WAYS[:turn]:
            for name, work in works.items():
                # In a task of its own, which has no portal itself.
                samples[name][way].append(await block(work, way))
    return samples


async def timed(batch: Callable[[], Awaitable[None]], way: str) -> float:
    async with surroundings(way):
        await batch()  # warms up
        gc.collect()
        gc.disable()
        begin = time.thread_time()
        for _ in range(TASKS // AT_ONCE):
            await batch()
        taken = time.thread_time() - begin
        gc.enable()
    return taken / TASKS * 1e6


async def on_asyncio(rounds: int) -> Any:
    async def nothing() -> None:
        pass

    async def once() -> None:
        await asyncio.sleep(0)

    async def ten_times() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def block(work: Work, way: str) -> float:
        loop = asyncio.get_running_loop()

        async def batch() -> None:
            tasks = [loop.create_task(work()) for _ in range(AT_ONCE)]  # type: ignore[arg-type]
            await tasks[-1]
            await asyncio.sleep(0)

        return await loop.create_task(timed(batch, way))

    works = {"nothing": nothing, "one suspension": once, "ten suspensions": ten_times}
    return await measure(works, block, rounds)


async def on_trio(rounds: int) -> Any:
    import trio

    async def nothing() -> None:
        pass

    async def once() -> None:
        await trio.lowlevel.checkpoint()

    async def ten_times() -> None:
        for _ in range(10):
            await trio.lowlevel.checkpoint()

    async def block(work: Work, way: str) -> float:
        async def batch() -> None:
            async with trio.open_nursery() as nursery:
                for _ in range(AT_ONCE):
                    nursery.start_soon(work)

        taken: list[float] = []

        async def run() -> None:
            taken.append(await timed(batch, way))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
        return taken[0]

    works = {"nothing": nothing, "one suspension": once, "ten suspensions": ten_times}
    return await measure(works, block, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loop", choices=("asyncio", "uvloop", "trio"))
    parser.add_argument("rounds", type=int)
    arguments = parser.parse_args()
    if arguments.loop == "trio":
        import trio

        samples = trio.run(on_trio, arguments.rounds)
    else:
        factory = asyncio.new_event_loop
        if arguments.loop == "uvloop":
            import uvloop

            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            samples = runner.run(on_asyncio(arguments.rounds))
    print(json.dumps(samples))


if __name__ == "__main__":
    main()
