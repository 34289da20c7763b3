"""Runs modules of CPython's test suite outside and inside of portals, and compares the outcomes.

Usage: compare.py DIRECTORY [MODULE...]. DIRECTORY takes what the tests print.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from differences import DIFFERENCES, SEE_EVENTS

MODULES = (
    "test_generators",
    "test_coroutines",
    "test_asyncgen",
    "test_exceptions",
    "test_contextlib",
    "test_contextlib_async",
    "test_context",
    "test_traceback",
    "test_sys_settrace",
    "test_sys_setprofile",
    "test_pdb",
    "test_threading",
    "test_gc",
    "test_with",
    "test_raise",
    "test_yield_from",
    "test_dict",
    "test_weakref",
    "test_sys",
    "test_inspect",
    "test_frame",
    "test_monitoring",
    "test_except_star",
    "test_asyncio.test_tasks",
)
PORTALS = ("portal", "preempted")
#: Seconds for one run of a module.
LIMIT = 150
#: How often a module in which a test differs runs again before that is called a difference.
RERUNS = 3

Outcomes = dict[str, str]


class Run:
    """One run of a module, in a process of its own."""

    def __init__(self, directory: Path, module: str, where: str):
        base = directory / f"{module}-{where}"
        self.record = base.with_suffix(base.suffix + ".jsonl")
        self.output = base.with_suffix(base.suffix + ".txt")
        self.command = [sys.executable, str(Path(__file__).with_name("child.py"))]
        self.command += [module, where, str(self.record)]
        self.outcomes: Outcomes = {}
        self.suspensions = 0
        self.crash = ""

    def __call__(self) -> Run:
        self.record.unlink(missing_ok=True)
        with self.output.open("wb") as output:
            child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONHASHSEED": "0"},
                start_new_session=True,
            )
            try:
                code: int | str = child.wait(LIMIT)
            except subprocess.TimeoutExpired:
                code = f"none after {LIMIT} s"
            finally:
                # With what the tests have left behind.
                try:
                    os.killpg(child.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                child.wait()
        self.read(code)
        return self

    def read(self, code: int | str) -> None:
        outcomes = collections.defaultdict(list)
        started = "before the first test"
        ended = False
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        for event, test in map(json.loads, lines):
            if test is None:
                self.suspensions, ended = event, True
            elif event == "start":
                started = test
                outcomes[test].append("no outcome")
            elif outcomes[test][-1:] == ["no outcome"]:
                outcomes[test][-1] = event
            else:
                outcomes[test].append(event)
        self.outcomes = {test: ", ".join(events) for test, events in outcomes.items()}
        if code != 0 or not ended:
            self.crash = f"exit code {code}, in or after {started}; see {self.output}"


def differing(outside: Outcomes, inside: Outcomes) -> set[str]:
    return {test for test in {*outside, *inside} if outside.get(test) != inside.get(test)}


def expected(module: str, where: str, inside: Outcomes) -> set[str]:
    """The tests that may differ there: that one fails may be known, that it does not end is not."""
    if module not in SEE_EVENTS.get(where, ()):
        return set(DIFFERENCES.get(where, {}))
    return {test for test, outcome in inside.items() if "no outcome" not in outcome}


def run_all(directory: Path, wanted: dict[str, tuple[str, ...]]) -> dict[tuple[str, str], Run]:
    runs = [Run(directory, module, where) for module in wanted for where in wanted[module]]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(lambda run: run(), runs))
    return {(run.command[2], run.command[3]): run for run in done}


def run_again(
    directory: Path, differences: dict[tuple[str, str], set[str]]
) -> tuple[list[str], list[str]]:
    """Takes out of `differences` what does not differ each time; says what, and what crashes."""
    settled, crashes = [], []
    for round_ in range(1, RERUNS + 1):
        wanted: dict[str, tuple[str, ...]] = {}
        for (module, where), tests in differences.items():
            if tests:
                wanted[module] = (*wanted.get(module, ("outside",)), where)
        runs = run_all(directory / f"rerun-{round_}", wanted)
        for module, where in runs:
            if where == "outside":
                continue
            outside, inside = runs[module, "outside"], runs[module, where]
            before = differences[module, where]
            left = before & differing(outside.outcomes, inside.outcomes)
            differences[module, where] = left
            settled += [f"{module}, {where}: {test}" for test in sorted(before - left)]
            if inside.crash:
                crashes.append(f"{module}, {where}, run again: {inside.crash}")
    return settled, crashes


def compare(directory: Path, modules: list[str]) -> bool:
    """Prints a table, and returns whether there was no difference."""
    started = time.monotonic()
    runs = run_all(directory, {module: ("outside", *PORTALS) for module in modules})

    problems = [f"{key[0]}, {key[1]}: {run.crash}" for key, run in runs.items() if run.crash]
    # (module, where) -> the tests that differ
    known: dict[tuple[str, str], set[str]] = {}
    differences: dict[tuple[str, str], set[str]] = {}
    for (module, where), inside in runs.items():
        found = differing(runs[module, "outside"].outcomes, inside.outcomes)
        if inside.crash:
            # Named already; the tests that would have followed are no news.
            found.intersection_update(inside.outcomes)
        known[module, where] = found & expected(module, where, inside.outcomes)
        differences[module, where] = found - known[module, where]
    again = {key: tests for key, tests in differences.items() if not runs[key].crash}
    settled, crashes = run_again(directory, again)
    differences.update(again)
    problems += crashes

    total = same_tests = 0
    columns = "{:<24} {:<10} {:>6} {:>6} {:>6} {:>6} {:>10} {:>12}".format
    print(
        columns("module", "where", "tests", "passed", "same", "known", "different", "suspensions")
    )
    for module in modules:
        outside = runs[module, "outside"]
        for where in PORTALS:
            inside = runs[module, where]
            tests = {*outside.outcomes, *inside.outcomes}
            passed = sum(outcome == "ok" for outcome in inside.outcomes.values())
            same = len(tests) - len(differing(outside.outcomes, inside.outcomes))
            total, same_tests = total + len(tests), same_tests + same
            different = sorted(differences[module, where])
            counts = (len(tests), passed, same, len(known[module, where]), len(different))
            print(columns(module, where, *counts, inside.suspensions))
            for test in different:
                here, there = (run.outcomes.get(test, "not run") for run in (inside, outside))
                problems.append(f"{module}, {where}: {test}: {here} in a portal, {there} outside")
    for line in settled:
        print(f"differed, but not when run again: {line}")
    for line in problems:
        print(f"DIFFERENT: {line}")
    print(
        f"{len(modules)} modules, {total} outcomes in portals, {same_tests} the same, "
        f"{len(problems)} differences, {time.monotonic() - started:.0f} s"
    )
    return not problems


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("modules", nargs="*")
    arguments = parser.parse_args()
    directory = arguments.directory.absolute()
    for round_ in range(RERUNS + 1):
        (directory / f"rerun-{round_}" if round_ else directory).mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("test") is None or not importlib.util.find_spec(
        "test.test_generators"
    ):
        print(
            f"NOT tested: {sys.executable} comes without CPython's test suite; on Debian it is in"
            f" the package libpython{sys.version_info[0]}.{sys.version_info[1]}-testsuite"
        )
        return
    modules = [
        module
        for module in arguments.modules or MODULES
        if importlib.util.find_spec(f"test.{module}")
    ]
    sys.exit(not compare(directory, modules))


if __name__ == "__main__":
    main()
