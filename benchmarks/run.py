"""Runs the benchmarks: every event loop in a process of its own, then the raw switch.

Prints the tables and writes results.json and table.md; with --plot, also a chart.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

LOOPS = {"asyncio": "asyncio", "uvloop": "uvloop", "trio": "Trio"}
HERE = Path(__file__).parent

Cells = dict[tuple[str, str], list[float]]


class Spread(NamedTuple):
    """A median, and the quartiles around it."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        digits = 3 if self.median < 10 else 1
        return f"{self.median:.{digits}f} [{self.low:.{digits}f}-{self.high:.{digits}f}]"


def spread(values: Sequence[float]) -> Spread:
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(statistics.median(values), low, high)


def ratio(cells: Cells, over: tuple[str, str], under: tuple[str, str]) -> Spread | None:
    """The median over the rounds of the ratios within a round."""
    if over not in cells or under not in cells:
        return None
    return spread([a / b for a, b in zip(cells[over], cells[under], strict=True)])


class Target(NamedTuple):
    """A ratio that has to be reached: of two cells (label and contender), by event loop."""

    name: str
    over: tuple[str, str]
    under: tuple[str, str]
    limits: dict[str, float]


NESTED = "await_(checkpoint) under {} nested C calls"
NO_SUSPENSION = "await_ of a coroutine that does not suspend"
CHECKPOINT = {"asyncio": 1.05, "uvloop": 1.15, "trio": 1.03}
AWAIT = {"asyncio": 1.12, "uvloop": 1.25, "trio": 1.08}
CORE_LIMIT = 1.5


def everywhere(limit: float) -> dict[str, float]:
    return dict.fromkeys(LOOPS, limit)


def against(contender: str, label: str, limits: dict[str, float]) -> Target:
    return Target(f"{label} / {contender}", (label, "switchback"), (label, contender), limits)


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


def measure_loop(loop: str, rounds: int, block: float, clock: str) -> dict[str, Any]:
    output = subprocess.run(
        [
            *(sys.executable, HERE / "measure.py", loop),
            *("--rounds", str(rounds), "--block", str(block), "--clock", clock),
        ],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    result: dict[str, Any] = json.loads(output)
    return result


def cells_of(result: dict[str, Any]) -> Cells:
    return {(cell["label"], cell["contender"]): cell["microseconds"] for cell in result["cells"]}


def measure_core(program: str, repetitions: int) -> dict[str, list[float]]:
    """Nanoseconds for a switch to another stack and back, by benchmark."""
    output = subprocess.run(
        [
            program,
            f"--benchmark_repetitions={repetitions}",
            "--benchmark_min_time=0.05",
            "--benchmark_enable_random_interleaving=true",
            "--benchmark_format=json",
        ],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ).stdout
    times: dict[str, list[float]] = {}
    for run in json.loads(output)["benchmarks"]:
        if run["run_type"] == "iteration":
            assert run["time_unit"] == "ns"
            times.setdefault(run["name"], []).append(run["cpu_time"])
    return times


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is readable as text as well."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(header), f"|{rule}|", *map(line, rows)])


def microseconds(cells: Cells, label: str, contender: str) -> str:
    if (label, contender) not in cells:
        return "-"
    quartiles = spread(cells[label, contender])
    return f"{quartiles.median:.3g} ±{(quartiles.high - quartiles.low) / 2 / quartiles.median:.0%}"


def loop_table(cells: Cells) -> str:
    rows = []
    for label in dict.fromkeys(label for label, _ in cells):
        ours, native, theirs = ((label, name) for name in ("switchback", "native", "greenback"))
        rows.append(
            [
                label,
                *(microseconds(cells, *cell) for cell in (native, ours, theirs)),
                str(ratio(cells, ours, native) or "-"),
                str(ratio(cells, theirs, native) or "-"),
                str(ratio(cells, theirs, ours) or "-"),
            ]
        )
    header = ["microseconds", "native", "Switchback", "greenback"]
    header += ["Switchback / native", "greenback / native", "greenback / Switchback"]
    return markdown(header, rows)


def verdict(measured: float, limit: float) -> str:
    return "PASS" if measured <= limit else "MISS"


def targets_table(
    loops: dict[str, Cells], core: dict[str, list[float]] | None
) -> tuple[str, list[dict[str, Any]]]:
    rows = []
    for target in TARGETS:
        for loop, cells in loops.items():
            measured = ratio(cells, target.over, target.under)
            assert measured is not None
            rows.append((target.name, LOOPS[loop], target.limits[loop], measured))
    if core is not None:
        ours, boost = core["switchback_context"], core["boost_jump_fcontext"]
        middle = statistics.median(boost)
        name = "switch to another stack and back / jump_fcontext"
        rows.append((name, "C++", CORE_LIMIT, spread([time / middle for time in ours])))
    records = [
        {
            "target": name,
            "loop": loop,
            "limit": limit,
            "ratio": measured.median,
            "quartiles": measured[1:],
            "verdict": verdict(measured.median, limit),
        }
        for name, loop, limit, measured in rows
    ]
    header = ["ratio", "on", "at most", "measured [quartiles]", ""]
    lines = [
        [
            name,
            loop,
            f"{limit:g}",
            f"{measured.median:.3f} [{measured.low:.3f}-{measured.high:.3f}]",
            verdict(measured.median, limit),
        ]
        for name, loop, limit, measured in rows
    ]
    return markdown(header, lines), records


def core_table(core: dict[str, list[float]]) -> str:
    names = {
        "boost_jump_fcontext": "Boost's jump_fcontext",
        "switchback_context": "Switchback's core::Context",
    }
    rows = [[names[name], str(spread(times))] for name, times in sorted(core.items())]
    return markdown(["to another stack and back", "nanoseconds [quartiles]"], rows)


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def report(results: dict[str, dict[str, Any]], core: dict[str, list[float]] | None) -> str:
    first = next(iter(results.values()))
    versions = ", ".join(f"{name} {version}" for name, version in first["versions"].items())
    system = f"Linux {platform.release()}" if sys.platform == "linux" else platform.platform()
    loops = {loop: cells_of(result) for loop, result in results.items()}
    parts = [
        f"CPython {first['python']}, {versions}; {processor()}, {system}.",
        "Medians over the rounds of one run; behind ±, half the distance between the quartiles."
        " A ratio is the median of the ratios within a round, with its quartiles. The first row"
        " runs the same code without a portal in all three columns: its ratios show the noise.",
    ]
    for loop, cells in loops.items():
        parts += [f"### {LOOPS[loop]}", loop_table(cells)]
    if core is not None:
        parts += ["### The raw switch", core_table(core)]
    parts += ["### What has to be reached", targets_table(loops, core)[0]]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="directory for the results")
    parser.add_argument("--core", metavar="PROGRAM", help="the C++ benchmark of the raw switch")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where to draw the chart")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, more noise")
    parser.add_argument("--loop", action="append", choices=LOOPS, help="only this; repeatable")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--block", type=float, default=5.0, help="milliseconds (default: 5)")
    parser.add_argument(
        "--clock",
        choices=("cpu", "wall"),
        default="cpu",
        help="cpu (default): leaves out the time in which other programs run",
    )
    parser.add_argument("--check", action="store_true", help="fail if a ratio is not reached")
    arguments = parser.parse_args()

    rounds = arguments.rounds or (40 if arguments.quick else 150)
    results = {}
    for loop in arguments.loop or LOOPS:
        print(f"measuring on {LOOPS[loop]}, {rounds} rounds ...", file=sys.stderr, flush=True)
        results[loop] = measure_loop(loop, rounds, arguments.block, arguments.clock)
    core = None
    if arguments.core:
        print("measuring the raw switch ...", file=sys.stderr, flush=True)
        core = measure_core(arguments.core, 20 if arguments.quick else 100)

    text = report(results, core)
    _, targets = targets_table({loop: cells_of(result) for loop, result in results.items()}, core)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "table.md").write_text(text)
    record = {
        "processor": processor(),
        "platform": platform.platform(),
        "clock": arguments.clock,
        "rounds": rounds,
        "targets": targets,
        "core_nanoseconds": core,
        "loops": results,
    }
    (arguments.output / "results.json").write_text(json.dumps(record))
    print(text)
    if arguments.plot:
        from plot import draw

        draw(results, arguments.plot)
        print(f"wrote {arguments.plot}")
    if arguments.check and any(target["verdict"] == "MISS" for target in targets):
        sys.exit("some ratios were not reached")


if __name__ == "__main__":
    main()
