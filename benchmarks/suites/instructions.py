"""How many instructions one operation takes, counted by callgrind.

A count does not depend on what else the machine does: the same build shows the same figure twice.
Each cell is the difference of two runs with different numbers of operations, so that the start of
the interpreter cancels out. What the kernel does is not counted, nor what a cache miss costs.
"""

from __future__ import annotations

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.children import ChildFailure, command_of, run, say
from harness.report import How, Limit, Record, markdown, number, spread

TITLE = "Instructions"

FEW, MANY = 500, 2500
CHECKPOINT = "checkpoints"
AWAIT = "await_(checkpoint)s in one sync portal"
LABELS = {
    CHECKPOINT: "checkpoint without a portal",
    "checkpoints in one portal": "checkpoint in a portal",
    AWAIT: "await_(checkpoint)",
    "await_ of a coroutine that does not suspend": "await_ of a coroutine that does not suspend",
    "portals for an empty coroutine": "portal for an empty coroutine",
    "[sync portal + await_ + checkpoint]s": "sync portal with one await_(checkpoint)",
    "await_(checkpoint) under 200 nested C calls": "await_(checkpoint) under 200 C calls",
}
QUICK = (CHECKPOINT, AWAIT)
CONTENDERS = ("native", "switchback", "greenback")
LIMIT = 400
VALGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")


def count(contender: str, label: str, operations: int) -> int:
    command = command_of("instructions", contender, label, operations)
    # The same hashes, and so the same collisions, in every run.
    _, log = run(["env", "PYTHONHASHSEED=0", *VALGRIND, *command], seconds=300)
    found = re.search(r"Collected : (\d+)", log)
    if found is None:
        raise ChildFailure("callgrind printed no count")
    return int(found[1])


def measure(how: How) -> Record:
    if shutil.which("valgrind") is None:
        return {"missing": "valgrind is not installed"}
    cells = [
        (label, contender)
        for label in (QUICK if how.quick else LABELS)
        for contender in (CONTENDERS[:2] if how.quick else CONTENDERS)
        # The row without a portal is the same code for all; plain await cannot cross C calls.
        if (label != CHECKPOINT or contender == "native")
        and not (contender == "native" and "nested C calls" in label)
    ]
    say(f"  {2 * len(cells)} runs under callgrind ...")

    def one(cell: tuple[str, str]) -> float:
        label, contender = cell
        few, many = (count(contender, label, operations) for operations in (FEW, MANY))
        return (many - few) / (MANY - FEW)

    # Counting is not disturbed by what runs beside it.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = list(pool.map(one, cells))
    return {
        "cells": [
            {"label": label, "contender": contender, "instructions": instructions}
            for (label, contender), instructions in zip(cells, counts, strict=True)
        ]
    }


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
    beyond = cells[AWAIT, "switchback"] - cells[AWAIT, "native"]
    name = "instructions for await_(checkpoint) beyond the native checkpoint"
    return [Limit(name, "asyncio", LIMIT, spread([beyond]))]


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
