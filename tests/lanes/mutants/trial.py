"""Runs tests on a build of the engine, and says which of them has failed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from builds import ROOT
from mutant import Mutant

TESTS = ROOT / "tests"
PACKAGE = ROOT / "python" / "switchback"
if not PACKAGE.exists():
    PACKAGE = ROOT / "switchback"

#: In seconds; what takes longer counts as a hang, and a hang as a failure.
TIME_FOR_NAMED = 60
TIME_FOR_ALL = 600


@dataclasses.dataclass
class Verdict:
    """What became of a run: `failed` names the first test that failed, or is empty."""

    failed: str
    output: str


class LoadError(Exception):
    """An engine that cannot even be imported proves nothing of the tests."""


class Names:
    """Where the tests are that mutants name."""

    def __init__(self) -> None:
        self._functions: dict[str, str] = {}
        for path in sorted(TESTS.rglob("test_*.py")):
            where = path.relative_to(ROOT)
            for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE):
                self._functions[name] = f"{where}::{name}"

        self._core_files: dict[str, str] = {}
        for path in sorted((TESTS / "core").glob("*_test.cpp")):
            for suite, name in re.findall(r"^TEST\((\w+), (\w+)\)", path.read_text(), re.MULTILINE):
                self._core_files[f"{suite}.{name}"] = path.name

    def core_files(self, names: Iterable[str]) -> set[str]:
        """Return the files in which C++ tests are."""
        return {self._core_files[name] for name in names if name in self._core_files}

    def node(self, name: str) -> str:
        """Return what pytest calls a test function, or a script in tests/isolated."""
        if name in self._functions:
            return self._functions[name]
        if (TESTS / "isolated" / f"{name}.py").exists():
            return f"{self._functions['test_script_exits_cleanly']}[{name}]"
        raise LookupError(f"there is no test {name}")

    def missing(self, mutant: Mutant) -> list[str]:
        """Return the tests that a mutant names and that are not there."""
        return [
            name
            for name in mutant.killed_by
            if name not in self._functions
            and name not in self._core_files
            and not (TESTS / "isolated" / f"{name}.py").exists()
        ]


def make_site(engine: Path, site: Path) -> Path:
    """Make a directory to import the package from, with that engine."""
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(PACKAGE, site / "switchback", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(engine, site / "switchback")
    # The package may ask what version of it is installed.
    metadata = site / "switchback-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: switchback\nVersion: 0\n")
    return site


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _run(command: list[str], environment: dict[str, str], seconds: float) -> tuple[int | None, str]:
    """Run a command with all that it starts; the exit code is None where it took too long."""
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=_limit,
    )
    try:
        output, _ = child.communicate(timeout=seconds)
        return child.returncode, output
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        # Also what a test has left running, which would hold the pipe open.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "a hang"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def run_pytest(
    minor: str,
    site: Path,
    nodes: Iterable[str],
    settings: dict[str, str],
    seconds: float,
) -> Verdict:
    """Run pytest until a test fails."""
    environment = {
        "PYTHONPATH": str(site),
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SWITCHBACK_BACKEND": "native",
    } | settings
    python = str(ROOT / ".venvs" / minor / "bin" / "python")
    pytest = [python, "-m", "pytest", "-x", "-v", "--no-header", "--tb=short"]
    code, output = _run([*pytest, "-p", "no:cacheprovider", *nodes], environment, seconds)
    if code == 0:
        return Verdict("", output)
    if code in (2, 3, 4, 5):  # pytest's own, where no test has run
        raise LoadError(output[-2000:])
    failed = re.findall(r"^(?:FAILED|ERROR) \S*?::(\S+)", output, re.MULTILINE)
    begun = re.findall(r"^\S*?::(\S+)", output, re.MULTILINE)
    if failed:
        return Verdict(failed[0], output)
    where = begun[-1] if begun else "before the first test"
    return Verdict(f"{_how_it_ended(code)} in {where}", output)


def run_core_tests(executable: Path, names: Iterable[str], seconds: float) -> Verdict:
    """Run C++ tests, all of them where none is named."""
    chosen = ":".join(names) or "*"
    command = [str(executable), f"--gtest_filter={chosen}", "--gtest_brief=1"]
    code, output = _run(command, {}, seconds)
    if code == 0:
        if "[  PASSED  ] 0 tests" in output:
            raise LookupError(f"there is no C++ test {chosen}")
        return Verdict("", output)
    failed = re.findall(r"^\[  FAILED  \] (\S+?)[ ,]", output, re.MULTILINE)
    return Verdict(failed[0] if failed else f"{_how_it_ended(code)} in {chosen}", output)
