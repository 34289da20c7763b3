"""Measures every row on one event loop, in this process, and prints the samples as JSON.

Each cell of the table (a row by a contender) is measured in short blocks. A round measures one
block of each cell, those that are compared next to each other, in an order that rotates from round
to round. So whatever slows the machine down for a while hits the contenders alike, and a ratio is
the median over the rounds of the ratios within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from rows import Checkpoint, Clock, Row, installed, rows_of


class Cell:
    """One row by one contender."""

    def __init__(self, label: str, contender: str, row: Row) -> None:
        self.label = label
        self.contender = contender
        self.row = row
        self.count = 1
        self.seconds: list[float] = []  # for one operation, by round


RunInTask = Callable[[Row, int], Awaitable[float]]


def all_rows(suite: str, checkpoint: Checkpoint, clock: Clock) -> dict[str, dict[str, Row]]:
    return {name: rows_of(suite, name, checkpoint, clock) for name in installed()}


async def measure(
    run_in_task: RunInTask, rows: dict[str, dict[str, Row]], rounds: int, block: float
) -> list[Cell]:
    # Rows that differ by a number only, a depth, are measured next to each other.
    groups: dict[str, list[Cell]] = {}
    for label in rows["switchback"]:
        group = groups.setdefault(re.sub(r"\d+", "N", label), [])
        group += [
            Cell(label, contender, rows[contender][label])
            for contender in rows
            if label in rows[contender]
        ]
    cells = [cell for group in groups.values() for cell in group]

    # The size of a block: enough operations to take as long as asked.
    for cell in cells:
        while (seconds := await run_in_task(cell.row, cell.count)) < block / 4:
            cell.count *= 2
        best = min(seconds, await run_in_task(cell.row, cell.count))
        cell.count = max(1, round(cell.count * block / best))

    gc.collect()
    gc.freeze()
    for number in range(rounds):
        for group in groups.values():
            start = number % len(group)
            order = group[start:] + group[:start]
            if number // len(group) % 2:
                order.reverse()
            gc.collect()
            gc.disable()
            for cell in order:
                cell.seconds.append(await run_in_task(cell.row, cell.count) / cell.count)
            gc.enable()
    return cells


async def in_asyncio_task(row: Row, count: int) -> float:
    async def block() -> float:
        return await row(count)

    return await asyncio.create_task(block())


async def measure_in_asyncio(suite: str, clock: Clock, **how: Any) -> list[Cell]:
    checkpoint = functools.partial(asyncio.sleep, 0)
    return await measure(in_asyncio_task, all_rows(suite, checkpoint, clock), **how)


def on_asyncio(suite: str, clock: Clock, **how: Any) -> list[Cell]:
    return asyncio.run(measure_in_asyncio(suite, clock, **how))


def on_uvloop(suite: str, clock: Clock, **how: Any) -> list[Cell]:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure_in_asyncio(suite, clock, **how))


def on_trio(suite: str, clock: Clock, **how: Any) -> list[Cell]:
    import trio

    async def in_task(row: Row, count: int) -> float:
        seconds = 0.0

        async def block() -> None:
            nonlocal seconds
            seconds = await row(count)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(block)
        return seconds

    async def main() -> list[Cell]:
        rows = all_rows(suite, trio.lowlevel.checkpoint, clock)
        return await measure(in_task, rows, **how)

    return trio.run(main)


LOOPS = {"asyncio": on_asyncio, "uvloop": on_uvloop, "trio": on_trio}
CLOCKS = {"cpu": time.thread_time, "wall": time.perf_counter}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", choices=("latency", "depth"))
    parser.add_argument("loop", choices=LOOPS)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--block", type=float, required=True, help="milliseconds for a block")
    parser.add_argument("--clock", choices=CLOCKS, required=True)
    arguments = parser.parse_args()
    cells = LOOPS[arguments.loop](
        arguments.suite,
        CLOCKS[arguments.clock],
        rounds=arguments.rounds,
        block=arguments.block / 1000,
    )
    if arguments.loop != "trio":
        assert "trio" not in sys.modules
    result = [
        {
            "label": cell.label,
            "contender": cell.contender,
            "count": cell.count,
            "microseconds": [float(f"{seconds * 1e6:.5g}") for seconds in cell.seconds],
        }
        for cell in cells
    ]
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
