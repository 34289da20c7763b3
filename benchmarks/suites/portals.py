"""1 to 1,000,000 calls suspended at once: memory, time, context switches."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from harness.children import ChildFailure, ask, available_memory, say
from harness.report import How, Limit, Record, Spread, markdown, number, ratio, spread

TITLE = "Many portals at once"

CONTENDERS = ("native", "switchback", "greenback")
#: Switchback with smaller stacks than its own choice, where the interpreter measures the C stack.
SMALL = "small stacks"
SMALL_SIZE = 1024 * 1024
NAMES = {
    "native": "native task",
    "switchback": "Switchback",
    SMALL: "Switchback, stacks of 1 MiB",
    "greenback": "greenback",
}
MEASURES_STACKS = sys.version_info >= (3, 14)
#: Of these many, several rounds: the limits are set for them.
COMPARED = 100_000
MOST = 1_000_000
#: A process that needs more memory or time is ended; one that has less available is not started.
MEMORY_BOUND = 12e9
TIME_BOUND = 120.0
SPARE_MEMORY = 2e9
#: Bytes expected of one call, to see whether there is room for all of them.
EXPECTED = 12_000

RESIDENT_LIMIT = 4500
WITH_PAGE_TABLES_LIMIT = {True: 6500, False: 9000}  # by whether it is Python 3.14 or later
TIME_LIMIT = 1.6


def plan(how: How) -> list[tuple[int, str, int]]:
    """Numbers of calls, contenders, rounds."""
    counts = [1, 1000, 10_000]
    everyone = [(count, name, 1 if how.quick else 3) for count in counts for name in CONTENDERS]
    rounds = how.rounds or (2 if how.quick else 5)
    compared = [(COMPARED, name, rounds) for name in CONTENDERS[:2]]
    if MEASURES_STACKS:
        compared.append((COMPARED, SMALL, rounds))
    if how.quick:
        return everyone + compared
    return [
        *everyone,
        *compared,
        (COMPARED, "greenback", 1),
        *((MOST, name, 1) for name in CONTENDERS),
    ]


def one(contender: str, count: int) -> Record:
    if available_memory() < min(MEMORY_BOUND, count * EXPECTED) + SPARE_MEMORY:
        raise ChildFailure("not enough memory available")
    arguments: list[object] = [contender, count]
    if contender == SMALL:
        arguments = ["switchback", count, "--stack-size", SMALL_SIZE]
    found: Record = ask("suspended", *arguments, memory=MEMORY_BOUND, seconds=TIME_BOUND)
    return found


def measure(how: How) -> Record:
    cells: dict[tuple[int, str], Record] = {}
    steps = plan(how)
    for count in dict.fromkeys(count for count, _, _ in steps):
        say(f"  {count:,} at once ...")
        several = {name: rounds for number_of, name, rounds in steps if number_of == count}
        if count == COMPARED:
            # Not counted: it has a virtual machine's host find the memory, which can take longer
            # than all else.
            with contextlib.suppress(ChildFailure):
                one("switchback", count)
        # Contenders take turns within a round.
        for number_of_round in range(max(several.values())):
            for name, rounds in several.items():
                cell = cells.setdefault(
                    (count, name), {"count": count, "contender": name, "rounds": []}
                )
                if number_of_round < rounds and "failed" not in cell:
                    try:
                        cell["rounds"].append(one(name, count))
                    except ChildFailure as failure:
                        cell["failed"] = str(failure)
    return {"cells": list(cells.values())}


def by_name(record: Record) -> dict[tuple[int, str], Record]:
    return {(cell["count"], cell["contender"]): cell for cell in record["cells"]}


def column(cell: Record, *path: str) -> list[float]:
    values = []
    for found in cell["rounds"]:
        for name in path:
            found = found[name]
        values.append(found)
    return values


def with_page_tables(cell: Record) -> list[float]:
    tables = column(cell, "each", "page tables")
    return [a + b for a, b in zip(column(cell, "each", "resident"), tables, strict=True)]


def beyond(ours: list[float], native: list[float]) -> Spread:
    return spread([a - b for a, b in zip(ours, native, strict=True)])


def time_of(cell: Record, what: str, clock: str = "cpu") -> list[float]:
    """Microseconds for one call."""
    return [seconds / cell["count"] * 1e6 for seconds in column(cell, what, clock)]


def tables(record: Record) -> str:
    rows = []
    for cell in record["cells"]:
        count, name = cell["count"], cell["contender"]
        if not cell["rounds"]:
            rows.append([f"{count:,}", NAMES[name], cell["failed"], *["-"] * 6])
            continue
        switches = [
            number(spread(column(cell, "usage", f"{kind} switches")).median)
            for kind in ("voluntary", "involuntary")
        ]
        seconds = (spread(column(cell, what, "wall")).median for what in ("reach", "finish"))
        rows.append(
            [
                f"{count:,}",
                NAMES[name],
                number(spread(column(cell, "each", "resident")).median),
                number(spread(with_page_tables(cell)).median),
                *(number(spread(time_of(cell, what)).median) for what in ("reach", "finish")),
                *(f"{value:.3g}" for value in seconds),
                " + ".join(switches),
            ]
        )
    header = ["at once", "", "bytes each", "with page tables", "us to suspend", "us to finish"]
    header += ["s until all wait", "s until all end", "switches"]
    text = (
        "Each call in a task of its own, waiting for a future of its own; each cell in a process of"
        " its own. Bytes: VmRSS, and VmRSS + VmPTE. Microseconds: processor time for one. Switches:"
        " of contexts, voluntary + involuntary, by getrusage. The row of one shows what the first"
        " one brings with it."
    )
    return f"{text}\n\n{markdown(header, rows)}"


def compared(cells: dict[tuple[int, str], Record], name: str) -> tuple[Record, Record] | None:
    """Return a contender and the native one, if both got through the same rounds."""
    ours, native = cells.get((COMPARED, name)), cells.get((COMPARED, "native"))
    if ours and native and len(ours["rounds"]) == len(native["rounds"]) > 0:
        return ours, native
    return None


def page_tables_limit(name: str, ours: Record, native: Record) -> Limit:
    is_314 = tuple(ours["rounds"][0]["python"]) >= (3, 14)
    measured = beyond(with_page_tables(ours), with_page_tables(native))
    return Limit(name, f"{COMPARED:,}", WITH_PAGE_TABLES_LIMIT[is_314], measured)


def limits(record: Record) -> list[Limit]:
    cells = by_name(record)
    found = []
    if pair := compared(cells, "switchback"):
        ours, native = pair
        where = f"{COMPARED:,}"
        resident = [column(cell, "each", "resident") for cell in pair]
        found += [
            Limit(
                "resident bytes of a suspended portal beyond the native task",
                where,
                RESIDENT_LIMIT,
                beyond(*resident),
            ),
            page_tables_limit("the same with page tables", ours, native),
            Limit(
                "time to create and suspend a portal / a native task",
                where,
                TIME_LIMIT,
                ratio(time_of(ours, "reach"), time_of(native, "reach")),
            ),
        ]
    if pair := compared(cells, SMALL):
        found.append(page_tables_limit("the same with page tables, with stacks of 1 MiB", *pair))
    most = cells.get((MOST, "switchback"))
    if most:
        peaks = [sum(found["peak"].values()) / 1e9 for found in most["rounds"]] or [float("inf")]
        found.append(
            Limit("GB, page tables included", f"{MOST:,}", MEMORY_BOUND / 1e9, spread(peaks))
        )
    return found


def draw(record: Record, directory: Path) -> None:
    from harness.charts import Line, lines

    # One call alone is smaller than the pages that memory is counted in.
    cells = {key: cell for key, cell in by_name(record).items() if cell["rounds"] and key[0] > 1}

    def panel(value: object) -> list[Line]:
        assert callable(value)
        several = []
        for name in CONTENDERS:
            points = [
                (count, spread(value(cell)).median)
                for (count, whose), cell in sorted(cells.items())
                if whose == name
            ]
            several.append(Line(name, [x for x, _ in points], [y for _, y in points]))
        return several

    lines(
        {
            "resident memory": panel(lambda cell: column(cell, "each", "resident")),
            "resident memory and page tables": panel(with_page_tables),
            "processor time until all wait": panel(lambda cell: time_of(cell, "reach")),
            "processor time until all have ended": panel(lambda cell: time_of(cell, "finish")),
        },
        "Calls suspended at once, on asyncio (lower is better)",
        directory / "portals.svg",
        x="calls suspended at once",
        y=["bytes each", "bytes each", "microseconds each", "microseconds each"],
        columns=2,
    )
