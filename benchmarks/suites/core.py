"""The raw switch to another stack and back, without Python, beside Boost's jump_fcontext."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from harness.children import run
from harness.report import How, Limit, Record, markdown, spread

TITLE = "The raw switch"
NAMES = {
    "boost_jump_fcontext": "Boost's jump_fcontext",
    "switchback_context": "Switchback's core::MachineContext",
}
LIMIT = 1.5


def measure(how: How) -> Record:
    if how.core is None:
        return {"missing": "no program was named with --core"}
    output, _ = run(
        [
            how.core,
            f"--benchmark_repetitions={20 if how.quick else 100}",
            "--benchmark_min_time=0.05",
            "--benchmark_enable_random_interleaving=true",
            "--benchmark_format=json",
        ]
    )
    times: dict[str, list[float]] = {}
    for one in json.loads(output)["benchmarks"]:
        if one["run_type"] == "iteration":
            assert one["time_unit"] == "ns"
            times.setdefault(one["name"], []).append(round(one["cpu_time"], 3))
    return {"nanoseconds": times}


def tables(record: Record) -> str:
    if "missing" in record:
        return f"Not measured: {record['missing']}."
    times = record["nanoseconds"]
    rows = [[NAMES[name], str(spread(times[name]))] for name in sorted(times)]
    return markdown(["to another stack and back", "nanoseconds [quartiles]"], rows)


def limits(record: Record) -> list[Limit]:
    if "missing" in record:
        return []
    times = record["nanoseconds"]
    middle = statistics.median(times["boost_jump_fcontext"])
    measured = spread([time / middle for time in times["switchback_context"]])
    return [Limit("switch to another stack and back / jump_fcontext", "C++", LIMIT, measured)]


def draw(record: Record, directory: Path) -> None:
    pass
