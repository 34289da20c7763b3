"""Tells a leak from noise in the memory of this process: by its trend, not by two readings."""

from __future__ import annotations

import gc
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

#: It tells of no other system.
STATM = Path("/proc/self/statm")


def mapped_bytes() -> int:
    return int(STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def trend(readings: Sequence[float]) -> float:
    """The growth from one reading to the next: the median over windows of a third of the readings.

    A leak is in every window, also where an allocator takes memory for several rounds at once. A
    single jump, as on a busy system, is in less than half of the windows, wherever it falls.
    """
    width = len(readings) // 3
    windows = zip(readings, readings[width:], strict=False)
    return statistics.median(after - before for before, after in windows) / width


class ResidentMemory:
    """Takes readings between rounds of something, and tells how much each round has added."""

    def __init__(self) -> None:
        self._readings: list[int] = []

    def read(self) -> None:
        gc.collect()
        self._readings.append(resident_bytes())

    def __bool__(self) -> bool:
        return bool(self._readings)

    def check(self, most_each_round: float) -> None:
        added = trend(self._readings)
        assert added < most_each_round, f"{added:.0f} bytes with each round: {self._readings}"
