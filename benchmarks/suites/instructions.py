"""How many instructions one operation takes, counted by callgrind.

A count does not depend on what else the machine does: the same build shows the same figure twice.
Each cell is the difference of processes with different numbers of operations, so that their start
cancels out. What the kernel does is not counted, nor what a cache miss costs.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from harness.children import ChildFailure, command_of, run, say
from harness.report import How, Limit, Record, markdown, number, spread

TITLE = "Instructions"

FEW, MANY = 200, 1200
CHECKPOINT = "checkpoints"
AWAIT = "await_(checkpoint)s in one ensured portal"
AWAIT_IN_CALL = "await_(checkpoint)s in one sync portal"
LABELS = {
    CHECKPOINT: "checkpoint without a portal",
    "checkpoints in one portal": "checkpoint in a portal",
    AWAIT: "await_(checkpoint) in a task with a portal",
    AWAIT_IN_CALL: "await_(checkpoint) in with_portal_run_sync()",
    "await_ of a coroutine that does not suspend": "await_ of a coroutine that does not suspend",
    "portals for an empty coroutine": "portal for an empty coroutine",
    "[sync portal + await_ + checkpoint]s": "sync portal with one await_(checkpoint)",
    "await_(checkpoint) under 200 nested C calls": "await_(checkpoint) under 200 C calls",
}
QUICK = (CHECKPOINT, AWAIT, AWAIT_IN_CALL)
CONTENDERS = ("native", "switchback", "greenback")
LIMIT = 400
VALGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")


def count(contender: str, labels: Sequence[str], *options: str) -> list[Record]:
    """Instructions for one operation of each row."""
    command = command_of("instructions", contender, FEW, MANY, *labels, *options)
    # The same hashes, and so the same collisions, in every run.
    _, log = run(["env", "PYTHONHASHSEED=0", *VALGRIND, *command], seconds=300)
    # One after another, as each process ends; the last one is their parent.
    counts = [int(found) for found in re.findall(r"Collected : (\d+)", log)]
    if len(counts) != 3 * len(labels) + 1:
        raise ChildFailure("callgrind did not print a count for each process")
    cells = []
    for number_of_row, label in enumerate(labels):
        few, many, as_few = counts[3 * number_of_row : 3 * number_of_row + 3]
        instructions = (many - (few + as_few) / 2) / (MANY - FEW)
        cells.append({"label": label, "contender": contender, "instructions": instructions})
    return cells


def rows_for(contender: str, quick: bool) -> list[str]:
    return [
        label
        for label in (QUICK if quick else LABELS)
        # The row without a portal is the same code for all; plain await cannot cross C calls.
        if (label != CHECKPOINT or contender == "native")
        and not (contender == "native" and "nested C calls" in label)
    ]


def measure(how: How) -> Record:
    if shutil.which("valgrind") is None:
        return {"missing": "valgrind is not installed"}
    contenders = [name for name in CONTENDERS if name == "native" or find_spec(name)]
    say("  one process under callgrind for each contender ...")

    def rows(contender: str) -> list[Record]:
        return count(contender, rows_for(contender, how.quick))

    # Counting is not disturbed by what runs beside it.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {"cells": [cell for cells in pool.map(rows, contenders) for cell in cells]}


def by_name(record: Record) -> dict[tuple[str, str], float]:
    return {(cell["label"], cell["contender"]): cell["instructions"] for cell in record["cells"]}


def tables(record: Record) -> str:
    if "missing" in record:
        return f"Not measured: {record['missing']}."
    cells = by_name(record)
    rows = []
    for label, name in LABELS.items():
        found = [cells.get((label, contender)) for contender in CONTENDERS]
        if any(value is not None for value in found):
            native, ours, _ = found
            beyond = "-" if native is None or ours is None else number(ours - native)
            rows.append([name, *("-" if v is None else number(v) for v in found), beyond])
    header = ["instructions, on asyncio", "native", "Switchback", "greenback"]
    return markdown([*header, "Switchback - native"], rows)


def limits(record: Record) -> list[Limit]:
    if "missing" in record:
        return []
    cells = by_name(record)
    return [
        Limit(
            f"instructions for {LABELS[row]} beyond the native checkpoint",
            "asyncio",
            LIMIT,
            spread([cells[row, "switchback"] - cells[row, "native"]]),
        )
        for row in (AWAIT, AWAIT_IN_CALL)
    ]


def draw(record: Record, directory: Path) -> None:
    if "missing" in record:
        return
    from harness.charts import bars_by_contender

    cells = {(LABELS[label], name): [value] for (label, name), value in by_name(record).items()}
    bars_by_contender(
        {"asyncio": cells},
        "Instructions for one operation, by callgrind",
        directory / "instructions.svg",
        log=False,
    )
