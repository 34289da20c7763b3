"""Ratios with their quartiles, tables, and the limits that figures have to keep to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Record = dict[str, Any]


class How(NamedTuple):
    """How to measure; what is None is for the suite to choose."""

    quick: bool
    clock: str
    rounds: int | None
    loops: Sequence[str]
    core: str | None


class Spread(NamedTuple):
    """A median, and the quartiles around it."""

    median: float
    low: float
    high: float

    def times(self, factor: float) -> Spread:
        return Spread(*(value * factor for value in self))

    def __str__(self) -> str:
        if self.low == self.high:
            return number(self.median)
        digits = 3 if self.median < 10 else 1 if self.median < 1000 else 0
        low, high = (f"{value:.{digits}f}" for value in (self.low, self.high))
        return f"{self.median:.{digits}f} [{low}-{high}]"


def spread(values: Sequence[float]) -> Spread:
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(statistics.median(values), low, high)


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """The median over the rounds of the ratios within a round."""
    return spread([a / b for a, b in zip(over, under, strict=True)])


def number(value: float) -> str:
    """Three significant digits, or all that stand before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


class Limit(NamedTuple):
    """A figure that has to be reached."""

    name: str
    where: str
    bound: float
    measured: Spread
    at_least: bool = False

    @property
    def verdict(self) -> str:
        median = self.measured.median
        return (
            "PASS" if (median >= self.bound if self.at_least else median <= self.bound) else "MISS"
        )

    def record(self) -> Record:
        return {
            "name": self.name,
            "on": self.where,
            "at least" if self.at_least else "at most": self.bound,
            "measured": self.measured.median,
            "quartiles": list(self.measured[1:]),
            "verdict": self.verdict,
        }


class Suite(Protocol):
    """What every module in suites/ has."""

    #: The heading above its tables.
    TITLE: str

    def measure(self, how: How) -> Record:
        """Measure, and return all samples, ready for JSON."""

    def tables(self, record: Record) -> str:
        """Return what was measured as Markdown."""

    def limits(self, record: Record) -> list[Limit]:
        """Return what has to be reached."""

    def draw(self, record: Record, directory: Path) -> None:
        """Draw the charts."""


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is readable as text as well."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(header), f"|{rule}|", *map(line, rows)])


def limits_table(limits: Sequence[Limit]) -> str:
    rows = [
        [
            limit.name,
            limit.where,
            f"at {'least' if limit.at_least else 'most'} {limit.bound:,g}",
            str(limit.measured),
            limit.verdict,
        ]
        for limit in limits
    ]
    return markdown(["what", "on", "has to be", "measured [quartiles]", ""], rows)
