"""Runs Python code, scripts and C code of the tests in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
SOURCE = TESTS.parent


#: Changes of the environment by which what was freed reads as other than what it was: of what C
#: code frees, and of Python's objects.
FREED_IN_C = {"MALLOC_PERTURB_": "165", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
FREED_OBJECTS = {"PYTHONMALLOC": "debug"}


def environment(**changes: str | None) -> dict[str, str]:
    """That of this process, in which children find `support`, with changes; None leaves out."""
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    changed = {**os.environ, "PYTHONPATH": path, **changes}
    return {name: value for name, value in changed.items() if value is not None}


def preload(library: Path) -> str:
    """The value of LD_PRELOAD for a library; that of a sanitizer has to come first."""
    return os.pathsep.join(filter(None, [os.environ.get("LD_PRELOAD"), str(library)]))


def run_python(
    *arguments: str | Path, timeout: float = 60, merged: bool = True, **changes: str | None
) -> subprocess.CompletedProcess[str]:
    """Run a new interpreter; its standard error is `merged` into what it prints, or apart."""
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merged else subprocess.PIPE,
        text=True,
        timeout=timeout,
        env=environment(**changes),
    )


def check_child(child: subprocess.CompletedProcess[str], *, may_ignore: bool = False) -> str:
    """Skip the test where its child says so; fail unless it has ended well; return its output.

    It ends well where no exception was ignored on the way, unless it `may_ignore` some.
    """
    if child.returncode == 77:
        pytest.skip(child.stdout.strip().rpartition("\n")[2])
    assert child.returncode == 0, f"exit code {child.returncode}\n{child.stdout[-20_000:]}"
    assert may_ignore or "Exception ignored" not in child.stdout, child.stdout[-20_000:]
    return child.stdout


def run_code(
    body: str, backend: str | None = None, *, options: tuple[str, ...] = (), prelude: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run Python code in a new process, on a backend, or on the one that programs have."""
    return run_python(*options, "-c", prelude + textwrap.dedent(body), SWITCHBACK_BACKEND=backend)


def check_code(
    body: str, backend: str | None = None, *, options: tuple[str, ...] = (), prelude: str = ""
) -> str:
    """Run Python code in a new process, which has to end well; return what it has printed."""
    return check_child(run_code(body, backend, options=options, prelude=prelude))


def compile_library(source: Path, library: Path, *options: str) -> Path:
    """Compile C code into a shared library, or skip the test where nothing does that."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler")
    command = [compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", source, "-o", library]
    subprocess.run([*command, *options], check=True)
    return library
