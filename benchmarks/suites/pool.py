"""How much memory stays in the pool of stacks after a peak of portals."""

from __future__ import annotations

from pathlib import Path

from harness.children import ask, say
from harness.report import How, Limit, Record, markdown, spread

TITLE = "The pool after a peak"
PEAK = 100_000
LIMIT = 0.1
MEMORY_BOUND = 4e9


def measure(how: How) -> Record:
    say(f"  a peak of {PEAK:,} ...")
    return {
        "peak": PEAK,
        "contenders": {
            name: ask("pool", name, PEAK, memory=MEMORY_BOUND, seconds=120)
            for name in ("native", "switchback")
        },
    }


def tables(record: Record) -> str:
    ours, native = (record["contenders"][name] for name in ("switchback", "native"))
    rows = [
        [
            moment["moment"],
            *(f"{moment[name] / 1e6:.1f}" for name in ("stacks", "resident", "page tables")),
            f"{plain['resident'] / 1e6:.1f}",
            f"{plain['page tables'] / 1e6:.1f}",
        ]
        for moment, plain in zip(ours, native, strict=True)
    ]
    header = [
        "MB",
        "stacks",
        "all resident",
        "page tables",
        "native tasks: resident",
        "page tables",
    ]
    text = f"{record['peak']:,} portals suspended at once, then all of them finish."
    return f"{text}\n\n{markdown(header, rows)}"


def limits(record: Record) -> list[Limit]:
    stacks = {one["moment"]: one["stacks"] for one in record["contenders"]["switchback"]}
    name = f"resident stack memory after a peak of {record['peak']:,} / at the peak"
    share = stacks["after"] / stacks["at the peak"]
    return [Limit(name, "asyncio", LIMIT, spread([share]))]


def draw(record: Record, directory: Path) -> None:
    pass
