"""Proves the tests: changes the engine in many small ways, and expects a test to fail each time.

Usage: run.py [--list] [--named] [--specific] [--minors 3.11,3.12] [NAME...]. With QUICK=1 in the
environment, a subset, and no other tests than those that each names.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import queue
import re
import shutil
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import builds
import trial
from mutant import MINORS, Mutant, StaleError
from rooms import (
    cancellation,
    collector,
    core,
    created_tasks,
    debug,
    errands,
    fiber,
    foreign,
    greenlet,
    interpreter,
    minors,
    portal,
    portal_ends,
    reprs,
    tasks,
    timeline,
    tracing,
)

ROOMS = {
    "cancellation": cancellation,
    "core": core,
    "interpreter": interpreter,
    "minors": minors,
    "reprs": reprs,
    "foreign": foreign,
    "fiber": fiber,
    "errands": errands,
    "greenlet": greenlet,
    "tasks": tasks,
    "timeline": timeline,
    "tracing": tracing,
    "portal": portal,
    "debug": debug,
    "portal_ends": portal_ends,
    "created_tasks": created_tasks,
    "collector": collector,
}

#: In seconds, with QUICK=1: afterwards no further mutant is begun.
QUICK_BUDGET = 270
WORKERS = 2
SCRATCH = builds.ROOT / "build" / "mutants" / f"variants-{os.getpid()}"


class Lane:
    """One run over some mutants: their builds, their tests, and what came of them."""

    def __init__(self, minors: list[str], quick: bool, named_only: bool) -> None:
        self._quick = quick
        self._named_only = named_only
        self._names = trial.Names()
        self._builds: dict[str, builds.Build] = {}
        self._minors = minors
        self._places: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for index in range(WORKERS):
            self._places.put(SCRATCH / str(index))
        self._lock = threading.Lock()
        self._baselines = threading.Lock()
        self._fail_anyway: dict[tuple[str, str], list[str]] = {}
        self.killed: list[str] = []
        self.late: list[str] = []  # killed, but not by the tests that are named
        self.bad: list[str] = []  # survived, stale or not built, with the reason
        self.elsewhere: list[str] = []
        self.untried: list[str] = []

    def minor_for(self, mutant: Mutant) -> str | None:
        """Return the Python to try it on: always the same, and others for others."""
        fitting = [minor for minor in self._minors if minor in mutant.minors]
        if not fitting:
            return None
        # Most of the code is the same on each: fewer builds take less time.
        if self._quick and mutant.minors == MINORS:
            return fitting[-1]
        return fitting[zlib.crc32(mutant.name.encode()) % len(fitting)]

    def prepare(self, mutants: list[Mutant]) -> bool:
        """Build the engine as it is, and expect that the tests named by the mutants pass."""
        chosen: dict[str, list[Mutant]] = {}
        for mutant in mutants:
            if (minor := self.minor_for(mutant)) and not self._names.missing(mutant):
                chosen.setdefault(minor, []).append(mutant)
        for minor, of_minor in chosen.items():
            site = SCRATCH / f"unchanged-{minor}"
            self._builds[minor] = builds.engine(minor)
            trial.make_site(self._builds[minor].product, site)
            settings: dict[tuple[tuple[str, str], ...], set[str]] = {}
            for mutant in of_minor:
                nodes = settings.setdefault(_settings_of(mutant), set())
                nodes.update(map(self._names.node, mutant.python_tests))
            for setting, nodes in settings.items():
                if not nodes:
                    continue
                verdict = trial.run_pytest(
                    minor, site, sorted(nodes), dict(setting), trial.TIME_FOR_ALL
                )
                if verdict.failed:
                    print(verdict.output)
                    print(f"unchanged, on {minor}: FAILED: {verdict.failed}")
                    return False
            print(f"unchanged, on {minor}: passes the tests that are named", flush=True)
        if names := {name for mutant in mutants for name in mutant.core_tests}:
            self._builds["core"] = builds.core_tests(self._minors[-1])
            product = self._builds["core"].product
            verdict = trial.run_core_tests(product, sorted(names), trial.TIME_FOR_ALL)
            if verdict.failed:
                print(verdict.output)
                print(f"unchanged, C++ tests: FAILED: {verdict.failed}")
                return False
            print("unchanged: passes the C++ tests that are named", flush=True)
        return True

    def run(self, mutants: list[Mutant]) -> None:
        """Try each, two at a time."""
        deadline = time.monotonic() + QUICK_BUDGET if self._quick else float("inf")

        def one(mutant: Mutant) -> None:
            if time.monotonic() > deadline:
                self.untried.append(mutant.name)
                return
            place = self._places.get()
            try:
                self._try_one(mutant, place)
            finally:
                self._places.put(place)

        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for done in [pool.submit(one, mutant) for mutant in mutants]:
                done.result()

    def _try_one(self, mutant: Mutant, place: Path) -> None:
        started = time.monotonic()
        minor = self.minor_for(mutant)
        if minor is None:
            self._note(self.elsewhere, mutant, f"{', '.join(mutant.minors)} only", "", started)
            return
        if missing := self._names.missing(mutant):
            self._note(self.bad, mutant, f"NO SUCH TEST: {', '.join(missing)}", minor, started)
            return
        try:
            changed = mutant.apply(builds.SOURCE)
            killer, is_late = self._killer(mutant, minor, changed, place)
        except StaleError as error:
            self._note(self.bad, mutant, f"STALE MUTANT: {error}", minor, started)
        except builds.BuildError as error:
            self._note(self.bad, mutant, f"DOES NOT COMPILE: {error}", minor, started)
        except trial.LoadError as error:
            self._note(self.bad, mutant, f"CANNOT BE TRIED: {error}", minor, started)
        else:
            if not killer:
                self._note(self.bad, mutant, "SURVIVED", minor, started)
            elif is_late:
                self._note(self.late, mutant, f"killed LATE by {killer}", minor, started)
            else:
                self._note(self.killed, mutant, f"killed by {killer}", minor, started)

    def _killer(
        self, mutant: Mutant, minor: str, changed: dict[str, str], place: Path
    ) -> tuple[str, bool]:
        """Return the test that fails, or nothing; and whether it was none of those named."""
        is_of_core = any(name.startswith("core/") for name in changed)
        if mutant.core_tests:
            files = self._names.core_files(mutant.core_tests)
            tests = self._builds["core"].make(changed, place, files)
            verdict = trial.run_core_tests(tests, mutant.core_tests, trial.TIME_FOR_NAMED)
            if verdict.failed:
                return verdict.failed, False
        if self._named_only and not mutant.python_tests:
            return "", False
        engine = self._builds[minor].make(changed, place / "engine")
        site = trial.make_site(engine, place / "site")
        settings = dict(_settings_of(mutant))
        if nodes := [self._names.node(name) for name in mutant.python_tests]:
            verdict = trial.run_pytest(minor, site, nodes, settings, trial.TIME_FOR_NAMED)
            if verdict.failed:
                return verdict.failed, False
        if self._named_only:
            return "", False
        if is_of_core and "core" in self._builds:
            tests = self._builds["core"].make(changed, place)
            verdict = trial.run_core_tests(tests, [], trial.TIME_FOR_ALL)
            if verdict.failed:
                return verdict.failed, True
        for backend in ("native", "greenlet"):
            settings["SWITCHBACK_BACKEND"] = backend
            left_out = [f"--deselect={test}" for test in self._failing(minor, backend)]
            verdict = trial.run_pytest(minor, site, left_out, settings, trial.TIME_FOR_ALL)
            if verdict.failed:
                return f"{verdict.failed} ({backend})", True
        return "", False

    def _failing(self, minor: str, backend: str) -> list[str]:
        """Return the tests that fail on the engine as it is, as they ask how it was built."""
        with self._baselines:
            if (minor, backend) not in self._fail_anyway:
                site = SCRATCH / f"unchanged-{minor}"
                settings = {"SWITCHBACK_BACKEND": backend}
                verdict = trial.run_pytest(
                    minor, site, ["--maxfail=1000"], settings, 2 * trial.TIME_FOR_ALL
                )
                failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", verdict.output, re.MULTILINE)
                self._fail_anyway[minor, backend] = failed
            return self._fail_anyway[minor, backend]

    def _note(
        self, outcomes: list[str], mutant: Mutant, what: str, minor: str, started: float
    ) -> None:
        line = f"{minor or '-':5} {time.monotonic() - started:5.1f} s  {mutant.name}: {what}"
        with self._lock:
            outcomes.append(f"{mutant.name}: {what}")
            print(line, flush=True)

    def report(self) -> bool:
        """Print what came of it; whether all that were tried were killed."""
        for title, lines in (
            ("killed by other tests than those that are named", self.late),
            ("not for the Pythons here", self.elsewhere),
            ("not tried, as there was no time", self.untried),
            ("NOT killed", self.bad),
        ):
            if lines:
                print(f"\n{title}:")
                print(*(f"  {line}" for line in sorted(lines)), sep="\n")
        killed = len(self.killed) + len(self.late)
        print(f"\n{killed} passed, {len(self.bad)} failed")
        closing = f"mutants: {killed} killed, {len(self.bad)} survived"
        if self.elsewhere or self.untried:
            closing += f", {len(self.elsewhere) + len(self.untried)} not tried here"
        print(closing)
        return not self.bad


def _settings_of(mutant: Mutant) -> tuple[tuple[str, str], ...]:
    return (("SWITCHBACK_BACKEND", mutant.backend), *mutant.environment)


def _stale_ones() -> Iterator[str]:
    """Yield a line for each mutant that does not fit the engine, also of those that are not run."""
    for content in ROOMS.values():
        for mutant in content.MUTANTS:
            try:
                mutant.apply(builds.SOURCE)
            except StaleError as error:
                yield f"STALE MUTANT: {mutant.name}: {error}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--list", action="store_true", help="print the mutants, and what each breaks"
    )
    parser.add_argument("--minors", default="3.12", help="the Pythons that are ready, by commas")
    parser.add_argument("--named", action="store_true", help="run no other tests than those named")
    parser.add_argument("--specific", action="store_true", help="only those for no other Python")
    parser.add_argument("names", nargs="*", help="of mutants, or of rooms; all unless told")
    options = parser.parse_args()
    minors = options.minors.split(",")
    quick = bool(os.environ.get("QUICK")) and not options.names
    chosen = []
    for room, content in ROOMS.items():
        for mutant in content.MUTANTS:
            asked = not options.names or room in options.names or mutant.name in options.names
            asked &= not options.specific or set(mutant.minors) <= set(minors)
            if asked and (mutant.quick or not quick):
                chosen.append(mutant)
    if missing := set(options.names) - {mutant.name for mutant in chosen} - ROOMS.keys():
        print(f"no such mutant: {', '.join(sorted(missing))}")
        return 2
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name}\n    {mutant.breaks}")
        return 0
    if stale := list(_stale_ones()):
        print(*stale, sep="\n")
        return 1
    lane = Lane(minors, quick, quick or options.named)
    try:
        if not lane.prepare(chosen):
            return 1
        lane.run(chosen)
        return 0 if lane.report() else 1
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
