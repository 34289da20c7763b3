"""Runs one row of a suite a number of times on asyncio, for a tool that counts instructions."""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc

from rows import CONTENDERS, Row, rows_of

WARM_UP = 200  # beyond what the interpreter specializes code after


async def run(contender: str, label: str, count: int) -> None:
    row = rows_of("latency", contender, functools.partial(asyncio.sleep, 0), lambda: 0.0)[label]
    # As when time is measured; a collection would hit one count and not the other.
    gc.collect()
    gc.disable()
    await asyncio.create_task(call(row, WARM_UP))
    await asyncio.create_task(call(row, count))


async def call(row: Row, count: int) -> None:
    await row(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("label")
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.contender, arguments.label, arguments.count))


if __name__ == "__main__":
    main()
