"""What latency and depth have in common: rows that programs/rounds.py measures on a loop."""

from __future__ import annotations

from harness.children import ask
from harness.report import How, Record, ratio, spread

#: Microseconds an operation, by round, of a row by a contender.
Cells = dict[tuple[str, str], list[float]]

BLOCK = 5.0  # milliseconds


def measure_cells(suite: str, loop: str, rounds: int, how: How) -> list[Record]:
    cells: list[Record] = ask(
        "rounds",
        *(suite, loop),
        *("--rounds", rounds, "--block", BLOCK, "--clock", how.clock),
    )
    return cells


def by_name(cells: list[Record]) -> Cells:
    return {(cell["label"], cell["contender"]): cell["microseconds"] for cell in cells}


def microseconds(cells: Cells, label: str, contender: str) -> str:
    if (label, contender) not in cells:
        return "-"
    quartiles = spread(cells[label, contender])
    return f"{quartiles.median:.3g} ±{(quartiles.high - quartiles.low) / 2 / quartiles.median:.0%}"


def ratio_of(cells: Cells, over: tuple[str, str], under: tuple[str, str]) -> str:
    if over not in cells or under not in cells:
        return "-"
    return str(ratio(cells[over], cells[under]))
