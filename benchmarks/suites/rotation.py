"""What a checkpoint takes when many tasks take turns: each finds the caches full of the others."""

from __future__ import annotations

from pathlib import Path

from harness.children import ask, say
from harness.report import How, Limit, Record, markdown, number, ratio, spread

TITLE = "Many tasks in turn"

CONTENDERS = ("native", "switchback", "greenback")
COUNTS = (1, 10, 100, 1000, 10_000)
STEPS = 100_000  # of all tasks together
FEWEST = 10  # of one task: the start and the end of it are to be a small part


def measure(how: How) -> Record:
    rounds = how.rounds or (2 if how.quick else 5)
    counts = (1, 1000) if how.quick else COUNTS
    say(f"  {', '.join(f'{count:,}' for count in counts)} tasks, {rounds} rounds ...")
    cells: dict[tuple[int, str], list[float]] = {}
    for _ in range(rounds):
        for count in counts:
            for name in CONTENDERS:
                seconds = ask("rotation", name, count, max(FEWEST, STEPS // count), seconds=120)
                cells.setdefault((count, name), []).append(float(f"{seconds * 1e6:.5g}"))
    return {
        "cells": [
            {"count": count, "contender": name, "microseconds": times}
            for (count, name), times in cells.items()
        ]
    }


def by_name(record: Record) -> dict[tuple[int, str], list[float]]:
    return {(cell["count"], cell["contender"]): cell["microseconds"] for cell in record["cells"]}


def tables(record: Record) -> str:
    cells = by_name(record)
    rows = []
    for count in dict.fromkeys(count for count, _ in cells):
        native, ours, theirs = (cells[count, name] for name in CONTENDERS)
        rows.append(
            [
                f"{count:,}",
                *(number(spread(times).median) for times in (native, ours, theirs)),
                str(ratio(ours, native)),
                str(ratio(theirs, native)),
            ]
        )
    header = ["tasks in turn; us a checkpoint", "native", "Switchback", "greenback"]
    header += ["Switchback / native", "greenback / native"]
    text = "await_(checkpoint) in every task, all tasks in turn, on asyncio. Processor time."
    return f"{text}\n\n{markdown(header, rows)}"


def limits(record: Record) -> list[Limit]:
    return []


def draw(record: Record, directory: Path) -> None:
    from harness.charts import Line, lines

    cells = by_name(record)
    several = []
    for name in CONTENDERS:
        points = [
            (count, spread(times).median)
            for (count, whose), times in cells.items()
            if whose == name
        ]
        several.append(Line(name, [x for x, _ in points], [y for _, y in points]))
    lines(
        {"await_(checkpoint) in every task": several},
        "Many tasks in turn, on asyncio (lower is better)",
        directory / "rotation.svg",
        x="tasks",
        y="microseconds a checkpoint",
        columns=1,
    )
