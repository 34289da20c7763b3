"""What an await costs on asyncio: native, by Switchback and by greenback.

Each round of each is a process of its own, the three by turns, so that none of them affects
another and all of them see the same weather.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib.util import find_spec
from time import perf_counter
from typing import Any

ROUNDS = 7
CONTENDERS = ("native", "switchback", "greenback")

_SUSPENDING = 4_000  # operations in a round
_IMMEDIATE = 40_000

AsyncFunction = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Cost:
    """The medians of all rounds, in microseconds per operation."""

    suspending: float
    immediate: float


def measure_costs(advance: Callable[[], None]) -> dict[str, Cost]:
    """Measure the contenders that are installed; calls `advance` after each of the rounds."""
    contenders = [name for name in CONTENDERS if name == "native" or find_spec(name)]
    rounds: dict[str, list[list[float]]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name in contenders:
            output = subprocess.run(
                [sys.executable, __file__, name],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                process_group=0,  # Ctrl-C is for the parent
            ).stdout
            rounds[name].append([float(figure) for figure in output.split()])
        advance()
    return {
        name: Cost(*map(statistics.median, zip(*figures, strict=True)))
        for name, figures in rounds.items()
    }


async def suspending() -> None:
    await asyncio.sleep(0)


async def immediate() -> None:
    pass


async def time_native(fn: AsyncFunction, count: int) -> float:
    start = perf_counter()
    for _ in range(count):
        await fn()
    return (perf_counter() - start) / count * 1e6


def time_await_(await_: Callable[[Any], Any], fn: AsyncFunction, count: int) -> float:
    start = perf_counter()
    for _ in range(count):
        await_(fn())
    return (perf_counter() - start) / count * 1e6


async def _one_round(name: str) -> None:
    for fn, count in ((suspending, _SUSPENDING), (immediate, _IMMEDIATE)):
        for repetitions in (count // 10, count):  # the first is to warm up
            if name == "native":
                cost = await time_native(fn, repetitions)
            else:
                package = __import__(name)
                cost = await package.with_portal_run_sync(
                    time_await_, package.await_, fn, repetitions
                )
        print(cost)


if __name__ == "__main__":
    asyncio.run(_one_round(sys.argv[1]))
