"""A plugin of pytest that repeats every test and fails those that leave more behind each time.

Usage: SWITCHBACK_UNDER=leak PYTHONPATH=tests/lanes/leak pytest -p plugin [--leak-runs N] TESTS

As the first runs fill caches, a test leaks if objects (on a debug build of Python: references)
become more in every one of the later runs. So it does if portals or stacks in use become more.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys

import pytest
from _pytest.runner import runtestprotocol

# As in tests/conftest.py, which is imported later than this.
os.environ.setdefault("SWITCHBACK_BACKEND", "native")

from switchback import _engine

#: How much may be added in one run: references come and go with free lists and caches.
TOLERANCE = {"objects": 0, "references": 5, "portals": 0, "stacks": 0}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("leaks")
    group.addoption("--leak-runs", type=int, default=3, help="how often to run at least")
    group.addoption("--leak-most-runs", type=int, default=7, help="how often to run at most")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(LeakCheck(config), "leakcheck")


def pytest_unconfigure(config: pytest.Config) -> None:
    config.pluginmanager.unregister(name="leakcheck")


def measure() -> dict[str, int]:
    for _ in range(3):
        gc.collect()
    objects = gc.get_objects()
    counts = {
        "objects": len(objects),
        "portals": sum(type(item).__name__ == "Portal" for item in objects),
        "stacks": _engine.live_stacks() - _engine.idle_stacks(),
    }
    del objects
    total = getattr(sys, "gettotalrefcount", None)
    if total is not None:
        counts["references"] = total()
    return counts


def growth(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    grown = {name: after[name] - before[name] for name in before}
    return {name: count for name, count in grown.items() if count > TOLERANCE[name]}


def forget_run(item: pytest.Item) -> None:
    """Drop what pytest and the test itself keep of a run, which gets longer with each."""
    item._report_sections.clear()  # what it has logged and printed
    # The tracebacks of exceptions that are parameters.
    parameters = list(getattr(getattr(item, "callspec", None), "params", {}).values())
    while parameters:
        parameter = parameters.pop()
        if isinstance(parameter, (list, tuple)):
            parameters.extend(parameter)
        elif isinstance(parameter, BaseException):
            parameter.__traceback__ = parameter.__context__ = parameter.__cause__ = None


class LeakCheck:
    def __init__(self, config: pytest.Config) -> None:
        self._runs = config.getoption("--leak-runs")
        self._most_runs = config.getoption("--leak-most-runs")
        self._leaking: list[tuple[str, dict[str, int]]] = []
        self._checked = 0
        self._in_use: dict[str, int] = {}

    def pytest_collection_finish(self) -> None:
        # Hypothesis looks for references to Trio's random numbers, and finds none once frozen.
        with contextlib.suppress(ImportError):
            import hypothesis  # noqa: F401
        gc.collect()
        gc.freeze()  # what is there already need not be looked at after each run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports, leak = self._repeat(item)
        for report in reports:
            if leak and report.when == "call" and report.passed:
                report.outcome = "failed"
                report.longrepr = f"leaks with each run: {leak}"
                self._leaking.append((item.nodeid, leak))
            item.ihook.pytest_runtest_logreport(report=report)
        item.session._setupstate.teardown_exact(nextitem)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _repeat(self, item: pytest.Item) -> tuple[list[pytest.TestReport], dict[str, int]]:
        """Run a test until it has not grown; return its last reports and what it has leaked."""
        before: dict[str, int] | None = None
        leak: dict[str, int] = {}
        for run in range(self._most_runs):
            if run:
                item._initrequest()
            # As if another of its module followed, so that the module's fixtures stay.
            reports = runtestprotocol(item, nextitem=item.parent, log=False)
            if not all(report.passed for report in reports):
                return reports, {}
            forget_run(item)
            after = measure()
            if run >= self._runs - 1:
                assert before is not None
                leak = growth(before, after)
                if not leak:
                    break
            before = after
        self._checked += 1
        return reports, leak

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        counts = measure()
        self._in_use = {name: counts[name] for name in ("stacks", "portals")}
        if any(self._in_use.values()) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("leaks")
        for name, leak in self._leaking:
            terminalreporter.write_line(f"{name}: {leak}")
        in_use = " and ".join(f"{count} {name}" for name, count in self._in_use.items())
        terminalreporter.write_line(
            f"{len(self._leaking)} of {self._checked} repeated tests leak; "
            f"{in_use} in use at the end"
        )
