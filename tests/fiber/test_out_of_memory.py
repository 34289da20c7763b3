"""Where memory fails, at whichever allocation, there is a MemoryError, and nothing is lost."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent / "support"

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
OF_THE_SYSTEM = ["stack-maps", "guards", "mappings", "new", "frames"]


@pytest.fixture(scope="module")
def failing_calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes chosen calls fail, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler, and Linux")
    library = tmp_path_factory.mktemp("library") / "failing_calls.so"
    source = SUPPORT / "failing_calls.c"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*command, "-o", library, source, "-ldl"], check=True)
    return library


def run(failing_calls: Path, name: str) -> None:
    # A sanitizer that is preloaded as well has to come first.
    preloaded = os.pathsep.join(filter(None, [os.environ.get("LD_PRELOAD"), str(failing_calls)]))
    child = subprocess.run(
        [sys.executable, "-X", "faulthandler", SUPPORT / "out_of_memory.py", name],
        env={**os.environ, "LD_PRELOAD": preloaded},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
    )
    if child.returncode == 77:
        pytest.skip(child.stdout.strip())
    assert child.returncode == 0, f"exit code {child.returncode}\n{child.stdout[-20_000:]}"


@pytest.mark.parametrize("name", OF_PYTHON)
def test_python_has_no_memory(name, failing_calls):
    if importlib.util.find_spec("_testcapi") is None:
        pytest.skip("this Python comes without _testcapi")
    run(failing_calls, name)


@pytest.mark.parametrize("name", OF_THE_SYSTEM)
def test_the_system_has_no_memory(name, failing_calls):
    run(failing_calls, name)
