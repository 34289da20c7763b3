"""Suspends many portals at once, lets them finish, and prints what stays in memory, as JSON."""

from __future__ import annotations

import asyncio

import memory
from suspended import Crowd, let_finish, print_measured, suspend_all


async def measure(contender: str, count: int) -> list[dict[str, object]]:
    loop = asyncio.get_running_loop()
    moments: list[dict[str, object]] = []

    def note(moment: str) -> None:
        memory.settle()
        moments.append({"moment": moment, "stacks": memory.stacks(), **memory.resident()})

    async def crowd_of(number: int) -> None:
        crowd = Crowd(contender, loop)
        tasks = await suspend_all(crowd, number)
        if number == count:
            note("at the peak")
        await let_finish(crowd)
        del tasks, crowd

    await crowd_of(10)
    note("before")
    await crowd_of(count)
    if contender != "native" and not any(moment["stacks"] for moment in moments):
        raise SystemExit("no stacks were found in memory: they are mapped in another way")
    note("after")
    await asyncio.sleep(0.5)
    note("half a second later")
    for _ in range(10):
        await crowd_of(100)
    note("after 1,000 more, 100 at once")
    return moments


if __name__ == "__main__":
    print_measured(__doc__, measure)
