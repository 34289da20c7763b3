"""What every test gets: the event loops in turn, both ways to run a function, its conditions."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

# The backend that a test runs on must not hang on what another test has imported.
os.environ.setdefault("SWITCHBACK_BACKEND", "native")

pytest.register_assert_rewrite("support")

# Before the package: some programs have imported greenlet by then. The other order has tests.
if os.environ.get("SWITCHBACK_TEST_BESIDE") == "greenlet":
    import greenlet  # noqa: F401

from support import conditions  # noqa: E402
from support.libraries import ASYNCIO_LIBRARIES, Library, make_library  # noqa: E402
from support.same_as_await import Outcome, run_both_ways  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    conditions.register(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    conditions.apply(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    conditions.check_imports(item)


@pytest.fixture(params=[*ASYNCIO_LIBRARIES, "trio"])
def library(request: pytest.FixtureRequest) -> Library:
    """Each of the event loops in turn."""
    return make_library(request.param)


@pytest.fixture(params=ASYNCIO_LIBRARIES)
def asyncio_library(request: pytest.FixtureRequest) -> Library:
    """Each of the loops and kinds of task that speak asyncio."""
    return make_library(request.param)


@pytest.fixture
def trio_library() -> Library:
    return make_library("trio")


@pytest.fixture
def both_ways(library: Library) -> Callable[..., Outcome]:
    """Run an async function as it is, and synchronously in a portal; expect the same outcome.

    The function is called with the library and a list to note down what it sees.
    """

    def compare(async_fn: Any, *args: Any) -> Outcome:
        native, in_portal = run_both_ways(library, async_fn, *args)
        assert in_portal == native
        return in_portal

    return compare
