"""Where memory fails, at whichever allocation, there is a MemoryError, and nothing is lost."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from support.children import TESTS, check_child, compile_library, preload, run_python

SUPPORT = TESTS / "support"

pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.quick,
    pytest.mark.needs_native(reason="greenlet itself does not survive a lack of memory"),
]

#: They use an interpreter's own test module.
OF_PYTHON = [
    "create",
    "start",
    "close-unstarted",
    "resume",
    "throw",
    "close",
    "read",
    "drop",
    "bestow",
]
OF_THE_SYSTEM = [
    "stack-maps",
    "guards",
    pytest.param(
        "mappings",
        marks=pytest.mark.not_under(
            "tsan", reason="ThreadSanitizer has room for some thousand stacks at a time"
        ),
    ),
    pytest.param(
        "new",
        marks=pytest.mark.not_under(
            "asan",
            "tsan",
            reason="the sanitizer has an allocator of its own, which the test does not get to fail",
        ),
    ),
    pytest.param(
        "owners",
        marks=pytest.mark.not_under(
            "asan",
            "tsan",
            reason="the sanitizer has an allocator of its own, which the test does not get to fail",
        ),
    ),
    "frames",
]


@pytest.fixture(scope="module")
def failing_calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes chosen calls fail, compiled."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux")
    library = tmp_path_factory.mktemp("library") / "failing_calls.so"
    return compile_library(SUPPORT / "failing_calls.c", library, "-O1", "-ldl")


def run(failing_calls: Path, script: str, name: str) -> None:
    preloaded = preload(failing_calls)
    child = run_python(SUPPORT / script, name, timeout=110, LD_PRELOAD=preloaded)
    # Where there is no memory, Python reports what it could not even raise.
    check_child(child, may_ignore=True)


@pytest.mark.parametrize("name", OF_PYTHON)
def test_python_has_no_memory(name, failing_calls):
    if importlib.util.find_spec("_testcapi") is None:
        pytest.skip("this Python comes without _testcapi")
    run(failing_calls, "out_of_memory_of_python.py", name)


@pytest.mark.parametrize("name", OF_THE_SYSTEM)
def test_the_system_has_no_memory(name, failing_calls):
    run(failing_calls, "out_of_memory_of_the_system.py", name)
