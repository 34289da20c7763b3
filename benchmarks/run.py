"""Runs the suites of the benchmark, one after another, and reports on them.

Prints the tables and what has to be reached; writes results.json, with every sample, and tables.md.
With --figures, also draws the charts.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from pathlib import Path

from harness.children import ChildFailure, say
from harness.report import How, Limit, Record, Suite, limits_table
from suites import SUITES

LOOPS = ("asyncio", "uvloop", "trio")
VERSIONS = (
    *("switchback", "greenback", "greenlet", "uvloop", "trio"),
    *("SQLAlchemy", "asgiref", "anyio", "nest_asyncio", "gevent", "starlette", "uvicorn"),
)


def suite_of(name: str) -> Suite:
    suite: Suite = importlib.import_module(f"suites.{name}")
    return suite


def version_of(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine() -> Record:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "python": platform.python_version(),
        "compiler": platform.python_compiler(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "memory": pages,
        "system": f"{platform.system()} {platform.release()}",
        "versions": {name: version for name in VERSIONS if (version := version_of(name))},
    }


def describe(machine: Record) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"CPython {machine['python']}; {machine['processors']} x {machine['processor']},"
        f" {machine['memory'] / 2**30:.0f} GiB, {machine['system']}; {versions}."
    )


def all_limits(results: Record) -> list[Limit]:
    return [
        limit
        for name, record in results["suites"].items()
        if "failed" not in record
        for limit in suite_of(name).limits(record)
    ]


def report(results: Record) -> str:
    parts = [describe(results["machine"])]
    for name, record in results["suites"].items():
        suite = suite_of(name)
        text = f"FAILED: {record['failed']}" if "failed" in record else suite.tables(record)
        parts += [f"## {suite.TITLE}", text]
    parts += ["## What has to be reached", limits_table(all_limits(results))]
    return "\n\n".join(parts) + "\n"


def measure(names: list[str], how: How) -> Record:
    records: Record = {}
    for name in names:
        suite = suite_of(name)
        say(f"{suite.TITLE}:")
        begin = time.monotonic()
        try:
            records[name] = suite.measure(how)
        except ChildFailure as failure:
            records[name] = {"failed": str(failure)}
            say(f"  FAILED: {failure}")
        records[name]["took"] = round(time.monotonic() - begin, 1)
        say(f"  took {records[name]['took']} s")
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--output", type=Path, required=True, help="directory for the results")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="where to draw the charts")
    parser.add_argument("--core", metavar="PROGRAM", help="the C++ benchmark of the raw switch")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, more noise")
    parser.add_argument("--keep", action="store_true", help="keep the other suites' last results")
    parser.add_argument("--redraw", action="store_true", help="measure nothing, report on the last")
    parser.add_argument("--loop", action="append", choices=LOOPS, help="only this; repeatable")
    parser.add_argument("--rounds", type=int)
    parser.add_argument(
        "--clock",
        choices=("cpu", "wall"),
        default="cpu",
        help="for latency and depth. cpu (default): leaves out the time in which others run",
    )
    parser.add_argument("--check", action="store_true", help="fail if a figure is not reached")
    arguments = parser.parse_args()
    for name in arguments.suites:
        if name not in SUITES:
            parser.error(f"no suite '{name}'; there are: {', '.join(SUITES)}")

    path = arguments.output / "results.json"
    results: Record
    if arguments.redraw:
        results = json.loads(path.read_text())
    else:
        how = How(
            arguments.quick, arguments.clock, arguments.rounds, arguments.loop or (), arguments.core
        )
        records = measure(arguments.suites or list(SUITES), how)
        if arguments.keep and path.exists():
            records = {**json.loads(path.read_text())["suites"], **records}
        ordered = {name: records[name] for name in SUITES if name in records}
        results = {"machine": machine(), "quick": arguments.quick, "suites": ordered}
    limits = all_limits(results)
    results["limits"] = [limit.record() for limit in limits]

    text = report(results)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "tables.md").write_text(text)
    path.write_text(json.dumps(results) + "\n")
    if arguments.figures:
        for name, record in results["suites"].items():
            if "failed" not in record:
                suite_of(name).draw(record, arguments.figures)
    print(text)
    missed = sum(limit.verdict == "MISS" for limit in limits)
    print(f"{len(limits) - missed} of {len(limits)} figures were reached")
    if arguments.check and missed:
        sys.exit("some figures were not reached")


if __name__ == "__main__":
    main()
