"""Every task has a portal, and run() awaits wherever it is called: the example of the README."""

import asyncio

import switchback


async def fetch(number: int) -> int:
    await asyncio.sleep(0.01)
    return number


def total() -> int:  # knows of no loop, and may be called in one
    return sum(switchback.run(fetch(number)) for number in range(3))


async def handle() -> int:
    return total()


async def main() -> list[int]:
    return await asyncio.gather(handle(), handle())


print(switchback.run(main()), total())
