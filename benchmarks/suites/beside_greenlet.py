"""What is added where the program has imported greenlet, which most large programs have.

Two processes take turns: in one `import greenlet` comes first, in the other nothing imports it.
Two processes of one program may differ by some per cent, so there are several pairs, and a figure
is the median over all of them.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from harness.children import Worker, say
from harness.report import How, Limit, Record, Spread, markdown, number, ratio, spread

from . import instructions

TITLE = "Beside greenlet"

BLOCK = 0.005  # seconds
PROCESSES = ("with", "without")
CHECKPOINT = "checkpoint"
IN_PORTAL = "checkpoint in a portal"
AWAIT = "await_(checkpoint)"
PORTAL = "portal"
SHALLOW, DEEP = (f"await_(checkpoint) under {depth} C calls" for depth in (0, 200))
IN_GREENLET = "await_(checkpoint) in a greenlet"
ROUND_TRIP = "checkpoint, and a round trip of greenlet"
BY_GREENLET = "checkpoint, awaited for a greenlet by its parent"
ROWS = {
    "without": (CHECKPOINT, IN_PORTAL, AWAIT, PORTAL, SHALLOW, DEEP),
}
ROWS["with"] = (*ROWS["without"], IN_GREENLET, ROUND_TRIP, BY_GREENLET)

Cell = tuple[str, str]  # the process and the row


class Pair:
    """Two processes, and how many operations make a block of each row."""

    def __init__(self) -> None:
        self.workers = {name: Worker("beside_greenlet", name) for name in PROCESSES}
        # What is compared lies next to each other.
        self.cells = [
            (name, row) for row in ROWS["with"] for name in PROCESSES if row in ROWS[name]
        ]
        self.counts: dict[Cell, int] = {}

    def block(self, cell: Cell, count: int) -> float:
        name, row = cell
        seconds: float = self.workers[name].ask(row, count)
        return seconds

    def calibrate(self) -> None:
        for cell in self.cells:
            count = 100
            while (seconds := self.block(cell, count)) < BLOCK / 4:
                count *= 2
            self.counts[cell] = max(1, round(count * BLOCK / seconds))

    def round(self, number: int) -> dict[Cell, float]:
        start = number % len(self.cells)
        order = self.cells[start:] + self.cells[:start]
        if number // len(self.cells) % 2:
            order.reverse()
        return {cell: self.block(cell, self.counts[cell]) / self.counts[cell] for cell in order}

    def end(self) -> None:
        for worker in self.workers.values():
            worker.end()


def measure(how: How) -> Record:
    if find_spec("greenlet") is None:
        return {"missing": "greenlet is not installed"}
    pairs, rounds = (3, 12) if how.quick else (8, 40)
    say(f"  {pairs} pairs of processes, {rounds} rounds each ...")
    samples: dict[Cell, list[float]] = {(name, row): [] for name in PROCESSES for row in ROWS[name]}
    for _ in range(pairs):
        pair = Pair()
        try:
            pair.calibrate()
            for number_of_round in range(rounds):
                for cell, seconds in pair.round(number_of_round).items():
                    samples[cell].append(float(f"{seconds * 1e6:.5g}"))
        finally:
            pair.end()
    cells = [
        {"process": name, "label": row, "microseconds": found}
        for (name, row), found in samples.items()
    ]
    record: Record = {"cells": cells}
    if shutil.which("valgrind") is not None:
        say("  instructions, under callgrind ...")
        label = instructions.AWAIT_IN_CALL
        record["instructions"] = {
            name: instructions.count("switchback", [label], "--greenlet", name)[0]["instructions"]
            for name in PROCESSES
        }
    return record


def by_name(record: Record) -> dict[Cell, list[float]]:
    return {(cell["process"], cell["label"]): cell["microseconds"] for cell in record["cells"]}


def difference(over: list[float], under: list[float]) -> Spread:
    return spread([a - b for a, b in zip(over, under, strict=True)])


def ratios(cells: dict[Cell, list[float]], over: Cell, under: Cell) -> list[float]:
    return [a / b for a, b in zip(cells[over], cells[under], strict=True)]


def tables(record: Record) -> str:
    if "missing" in record:
        return f"Not measured: {record['missing']}."
    cells = by_name(record)
    rows = []
    for label in ROWS["with"]:
        found = [cells.get((name, label)) for name in PROCESSES]
        times = ["-" if times is None else f"{spread(times).median:.3g}" for times in found]
        native = ("with", CHECKPOINT)
        compared = "-"
        if found[1] is not None:
            compared = str(ratio(cells["with", label], cells["without", label]))
        rows.append([label, *times, compared, str(ratio(cells["with", label], cells[native]))])
    header = ["microseconds, on asyncio", "with greenlet", "without"]
    header += ["with / without", "with / native checkpoint"]
    text = (
        "In one process `import greenlet` comes first, in the other nothing imports it. The row"
        f' "{CHECKPOINT}" has no portal: its ratio is the noise between the processes.'
    )
    parts = [text, markdown(header, rows)]
    if counts := record.get("instructions"):
        parts.append(
            f"Instructions for one {AWAIT}: {number(counts['with'])} with greenlet,"
            f" {number(counts['without'])} without."
        )
    return "\n\n".join(parts)


def limits(record: Record) -> list[Limit]:
    if "missing" in record:
        return []
    cells = by_name(record)

    def limit(name: str, bound: float, measured: Spread) -> Limit:
        return Limit(f"with greenlet loaded: {name}", "asyncio", bound, measured)

    with_, without = (ratios(cells, (name, IN_PORTAL), (name, CHECKPOINT)) for name in PROCESSES)
    found = [
        limit(
            "checkpoint in a portal / native, more than without greenlet",
            0.02,
            difference(with_, without),
        ),
        limit(
            "await_(checkpoint) / native",
            1.12,
            ratio(cells["with", AWAIT], cells["with", CHECKPOINT]),
        ),
        limit(
            "portal created, run and dropped / without greenlet",
            1.1,
            ratio(cells["with", PORTAL], cells["without", PORTAL]),
        ),
        limit(
            "await_(checkpoint) under 200 C calls / under 0",
            1.1,
            ratio(cells["with", DEEP], cells["with", SHALLOW]),
        ),
        limit(
            "await_(checkpoint) in a greenlet / native and greenlet's round trip",
            1.0,
            ratio(cells["with", IN_GREENLET], cells["with", ROUND_TRIP]),
        ),
    ]
    if counts := record.get("instructions"):
        more = spread([counts["with"] - counts["without"]])
        found.append(limit("instructions of await_(checkpoint), more than without", 5, more))
    return found


def draw(record: Record, directory: Path) -> None:
    pass
