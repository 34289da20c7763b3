"""What await_() takes under many calls, of C functions and of Python functions."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

from harness.children import say
from harness.report import How, Limit, Record, markdown

from .cells import by_name, measure_cells, microseconds, ratio_of

TITLE = "Depth"


def measure(how: How) -> Record:
    rounds = how.rounds or (8 if how.quick else 60)
    say(f"  on asyncio, {rounds} rounds ...")
    cells = measure_cells("depth", "asyncio", rounds, how)
    return {"clock": how.clock, "rounds": rounds, "cells": cells}


def depth_of(label: str) -> int:
    found = re.search(r"\d+", label)
    assert found is not None
    return int(found[0])


def tables(record: Record) -> str:
    cells = by_name(record["cells"])
    labels = list(dict.fromkeys(label for label, _ in cells))
    rows = []
    for label in sorted(
        labels, key=lambda label: (label.endswith("Python calls"), depth_of(label))
    ):
        ours, theirs = (label, "switchback"), (label, "greenback")
        shallow = re.sub(r"\d+", "0", label)
        rows.append(
            [
                f"await_(checkpoint) {label}",
                *(microseconds(cells, label, name) for name in ("native", *CONTENDERS)),
                ratio_of(cells, ours, (shallow, "switchback")),
                ratio_of(cells, theirs, ours),
            ]
        )
    header = ["microseconds, on asyncio", "native", "Switchback", "greenback"]
    header += ["Switchback / its depth 0", "greenback / Switchback"]
    text = "The native column awaits through as many async functions; plain await cannot cross C."
    return f"{text}\n\n{markdown(header, rows)}"


CONTENDERS = ("switchback", "greenback")


def limits(record: Record) -> list[Limit]:
    return []


def draw(record: Record, directory: Path) -> None:
    from harness.charts import Line, lines

    cells = by_name(record["cells"])

    def line(kind: str, contender: str) -> Line:
        points = sorted(
            (depth_of(label), statistics.median(times))
            for (label, name), times in cells.items()
            if name == contender and label.endswith(kind)
        )
        return Line(contender, [x for x, _ in points], [y for _, y in points])

    lines(
        {
            f"under nested {kind}": [line(kind, name) for name in ("native", *CONTENDERS)]
            for kind in ("C calls", "Python calls")
        },
        "await_(checkpoint) by depth, on asyncio: lower is better",
        directory / "depth.svg",
        x="calls between the event loop and await_()",
        y="microseconds (log scale)",
        columns=2,
        log_x=False,
        log_y=True,
    )
