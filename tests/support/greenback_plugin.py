"""Runs greenback's test suite on Switchback: a plugin of the child pytest."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
import sniffio
from support.greenback_exclusions import EXCLUSIONS

import switchback


def _current_task() -> object:
    # Private to greenback, but its tests use it to get a task to bestow a portal on.
    if sniffio.current_async_library() == "trio":
        import trio

        return trio.lowlevel.current_task()
    return asyncio.current_task()


# On import, as pytest loads the suite's conftest.py before it calls pytest_configure().
switchback.install_as_greenback()
_greenback = sys.modules["greenback"]
# The suite is a part of the package that it tests, and imports it by relative names.
_greenback.__path__ = [os.environ["GREENBACK_COPY"]]
_greenback._impl.current_task = _current_task


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Report(Path(os.environ["GREENBACK_RESULTS"])))


class _Report:
    """Leaves the outcome of every test in a file, for the pytest run outside."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._collected: list[str] = []
        self._outcomes: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._collected = [_id(item.nodeid) for item in items]
        items[:] = [item for item in items if _id(item.nodeid) not in EXCLUSIONS]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._outcomes[_id(report.nodeid)] = report.outcome

    def pytest_sessionfinish(self) -> None:
        results = {"collected": self._collected, "outcomes": self._outcomes}
        self._path.write_text(json.dumps(results), encoding="utf-8")


def _id(node_id: str) -> str:
    return node_id.rpartition("/")[2]
