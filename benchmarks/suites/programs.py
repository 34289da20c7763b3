"""What it takes to create and run tasks where all of them have a portal."""

from __future__ import annotations

from pathlib import Path

from harness.children import ask, say
from harness.report import How, Limit, Record, markdown, number, ratio, spread

TITLE = "A portal for every task"

LOOPS = {"asyncio": "asyncio", "uvloop": "uvloop", "trio": "Trio"}
WAYS = {"enabled": "enabled", "tree": "in a tree", "native again": "native again"}
#: Ratios to native that have to be reached, by what a task does.
BOUNDS = {"nothing": 1.12, "one suspension": 1.15, "ten suspensions": 1.08}
TREE_BOUND = 1.2


def measure(how: How) -> Record:
    rounds = how.rounds or (5 if how.quick else 40)
    loops = {}
    for loop in how.loops or LOOPS:
        say(f"  on {LOOPS[loop]}, {rounds} rounds ...")
        loops[loop] = ask("created", loop, rounds, seconds=300)
    return {"rounds": rounds, "loops": loops}


def tables(record: Record) -> str:
    rows = []
    for loop, works in record["loops"].items():
        for work, ways in works.items():
            ratios = (str(ratio(ways[way], ways["native"])) for way in WAYS)
            rows.append([LOOPS[loop], work, number(spread(ways["native"]).median), *ratios])
    header = [
        "",
        "a task does",
        "us a task, native",
        *(f"{name} / native" for name in WAYS.values()),
    ]
    text = (
        "Tasks are created and run, 50 at a time. A task that suspends does so by a checkpoint, in"
        " plain `await`. Processor time; ratios are within a round. The last column is the noise."
    )
    return f"{text}\n\n{markdown(header, rows)}"


def limits(record: Record) -> list[Limit]:
    found = []
    for loop, works in record["loops"].items():
        for work, ways in works.items():
            enabled, tree = (ratio(ways[way], ways["native"]) for way in ("enabled", "tree"))
            found += [
                Limit(
                    f"create and run a task: {work}, enabled / not",
                    LOOPS[loop],
                    BOUNDS[work],
                    enabled,
                ),
                Limit(f"the same in a tree / outside: {work}", LOOPS[loop], TREE_BOUND, tree),
            ]
    return found


def draw(record: Record, directory: Path) -> None:
    pass
