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
import importlib.metadata
import importlib.util
import json
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

Row = Callable[[int], Awaitable[float]]

#: Rows whose cells are measured next to each other, as they are compared with each other.
NESTED = "await_(checkpoint) under "


def load_apart(name: str, contender: str) -> ModuleType:
    """Load a module of this directory once more, with code objects of its own."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"{name}_{contender}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def all_rows(
    checkpoint: Callable[[], Awaitable[object]], clock: Callable[[], float]
) -> dict[str, dict[str, Row]]:
    import greenback

    import switchback

    native = load_apart("rows_native", "native").make_rows(checkpoint, clock)
    contenders = {"native": native}
    for library in (switchback, greenback):
        module = load_apart("rows_portal", library.__name__)
        contenders[library.__name__] = module.make_rows(library, checkpoint, clock)
    return contenders


class Cell:
    """One row by one contender."""

    def __init__(self, label: str, contender: str, row: Row) -> None:
        self.label = label
        self.contender = contender
        self.row = row
        self.count = 1
        self.seconds: list[float] = []  # for one operation, by round


RunInTask = Callable[[Row, int], Awaitable[float]]


async def measure(
    run_in_task: RunInTask, rows: dict[str, dict[str, Row]], rounds: int, block: float
) -> list[Cell]:
    groups: dict[str, list[Cell]] = {}
    for label in rows["switchback"]:
        group = groups.setdefault(NESTED if label.startswith(NESTED) else label, [])
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


async def measure_in_asyncio(clock: Callable[[], float], **how: Any) -> list[Cell]:
    checkpoint = functools.partial(asyncio.sleep, 0)
    return await measure(in_asyncio_task, all_rows(checkpoint, clock), **how)


def on_asyncio(clock: Callable[[], float], **how: Any) -> list[Cell]:
    return asyncio.run(measure_in_asyncio(clock, **how))


def on_uvloop(clock: Callable[[], float], **how: Any) -> list[Cell]:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure_in_asyncio(clock, **how))


def on_trio(clock: Callable[[], float], **how: Any) -> list[Cell]:
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
        return await measure(in_task, all_rows(trio.lowlevel.checkpoint, clock), **how)

    return trio.run(main)


LOOPS = {"asyncio": on_asyncio, "uvloop": on_uvloop, "trio": on_trio}
CLOCKS = {"cpu": time.thread_time, "wall": time.perf_counter}


def version_of(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loop", choices=LOOPS)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--block", type=float, required=True, help="milliseconds for a block")
    parser.add_argument("--clock", choices=CLOCKS, required=True)
    arguments = parser.parse_args()
    cells = LOOPS[arguments.loop](
        CLOCKS[arguments.clock], rounds=arguments.rounds, block=arguments.block / 1000
    )
    if arguments.loop != "trio":
        assert "trio" not in sys.modules
    names = ("switchback", "greenback", "greenlet", "uvloop", "trio")
    versions = {name: version for name in names if (version := version_of(name)) is not None}
    result = {
        "loop": arguments.loop,
        "python": platform.python_version(),
        "versions": versions,
        "cells": [
            {
                "label": cell.label,
                "contender": cell.contender,
                "count": cell.count,
                "microseconds": [round(seconds * 1e6, 5) for seconds in cell.seconds],
            }
            for cell in cells
        ],
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
