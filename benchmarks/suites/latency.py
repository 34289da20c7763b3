"""What one operation takes, on every event loop."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from harness.children import say
from harness.report import How, Limit, Record, markdown, ratio

from .cells import Cells, by_name, measure_cells, microseconds, ratio_of

TITLE = "Latency"

LOOPS = {"asyncio": "asyncio", "uvloop": "uvloop", "trio": "Trio"}
NESTED = "await_(checkpoint) under {} nested C calls"
NO_SUSPENSION = "await_ of a coroutine that does not suspend"
CHECKPOINT = {"asyncio": 1.05, "uvloop": 1.15, "trio": 1.03}
AWAIT = {"asyncio": 1.12, "uvloop": 1.25, "trio": 1.08}


class Target(NamedTuple):
    """A ratio that has to be reached: of two cells (label and contender), by event loop."""

    name: str
    over: tuple[str, str]
    under: tuple[str, str]
    bounds: dict[str, float]


def everywhere(bound: float) -> dict[str, float]:
    return dict.fromkeys(LOOPS, bound)


def against(contender: str, label: str, bounds: dict[str, float]) -> Target:
    return Target(f"{label} / {contender}", (label, "switchback"), (label, contender), bounds)


TARGETS = [
    against("native", "checkpoints in one portal", CHECKPOINT),
    against("native", "checkpoints in one ensured portal", CHECKPOINT),
    against("native", "await_(checkpoint)s in one portal", AWAIT),
    against("native", "await_(checkpoint)s in one sync portal", AWAIT),
    against("native", "await_(checkpoint)s in one ensured portal", AWAIT),
    against("native", NO_SUSPENSION, everywhere(1.0)),
    against("greenback", "portals for an empty coroutine", everywhere(1 / 40)),
    against("greenback", "async portal creations", everywhere(1 / 40)),
    Target(
        "await_(checkpoint) under 200 nested C calls / under 0",
        (NESTED.format(200), "switchback"),
        (NESTED.format(0), "switchback"),
        everywhere(1.2),
    ),
]


def measure(how: How) -> Record:
    rounds = how.rounds or (12 if how.quick else 120)
    loops = {}
    for loop in how.loops or LOOPS:
        say(f"  on {LOOPS[loop]}, {rounds} rounds ...")
        loops[loop] = measure_cells("latency", loop, rounds, how)
    return {"clock": how.clock, "rounds": rounds, "loops": loops}


def tables(record: Record) -> str:
    parts = [
        "Medians over the rounds; behind ±, half the distance between the quartiles. A ratio is the"
        " median of the ratios within a round, with its quartiles. The first row runs the same code"
        " without a portal in all three columns: its ratios show the noise.",
    ]
    for loop, cells in record["loops"].items():
        parts += [f"### {LOOPS[loop]}", loop_table(by_name(cells))]
    return "\n\n".join(parts)


def loop_table(cells: Cells) -> str:
    rows = []
    for label in dict.fromkeys(label for label, _ in cells):
        ours, native, theirs = ((label, name) for name in ("switchback", "native", "greenback"))
        rows.append(
            [
                label,
                *(microseconds(cells, *cell) for cell in (native, ours, theirs)),
                ratio_of(cells, ours, native),
                ratio_of(cells, theirs, native),
                ratio_of(cells, theirs, ours),
            ]
        )
    header = ["microseconds", "native", "Switchback", "greenback"]
    header += ["Switchback / native", "greenback / native", "greenback / Switchback"]
    return markdown(header, rows)


def limits(record: Record) -> list[Limit]:
    loops = {loop: by_name(cells) for loop, cells in record["loops"].items()}
    return [
        Limit(
            target.name,
            LOOPS[loop],
            target.bounds[loop],
            ratio(cells[target.over], cells[target.under]),
        )
        for target in TARGETS
        for loop, cells in loops.items()
        if target.over in cells and target.under in cells
    ]


def draw(record: Record, directory: Path) -> None:
    from harness.charts import bars_by_contender

    loops = {LOOPS[loop]: by_name(cells) for loop, cells in record["loops"].items()}
    bars_by_contender(
        {
            loop: {cell: times for cell, times in cells.items() if cell[0] != "checkpoints"}
            for loop, cells in loops.items()
        },
        "What one operation takes: microseconds (log scale, shorter is better)",
        directory / "latency.svg",
        log=True,
    )
