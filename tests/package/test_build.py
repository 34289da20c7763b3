"""What a build says where it cannot succeed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support.children import SOURCE

# The tools of the virtual environment, ahead of any others.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
CMAKE = shutil.which("cmake", path=PATH)
COMPILER = os.environ.get("CXX") or "g++"
#: Without what sanitizers have loaded into a Python.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}

pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.skipif(shutil.which(COMPILER) is None, reason="there is no compiler to build with"),
]


def configure(directory: Path, *options: str, **environment: str) -> str:
    """What CMake says that refuses to build."""
    if CMAKE is None or shutil.which("ninja", path=PATH) is None:
        pytest.skip("there is no CMake to build with, or no Ninja")
    command = [CMAKE, "-G", "Ninja", "-S", SOURCE, "-B", directory]
    child = subprocess.run(
        [*command, f"-DPython_EXECUTABLE={sys.executable}", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**ENVIRONMENT, "PATH": PATH, "CXX": COMPILER, **environment},
    )
    assert child.returncode != 0, child.stdout
    # CMake breaks the lines of a text where they get long.
    return " ".join(child.stdout.split())


def test_without_boost_it_says_what_to_install(tmp_path):
    said = configure(tmp_path, "-DCMAKE_DISABLE_FIND_PACKAGE_Boost=ON")
    assert "Switchback is built with Boost.Context, as a static library" in said
    assert "apt-get install libboost-context-dev" in said


def test_cmake_refuses_a_free_threaded_python(tmp_path):
    # Has this Python take itself for one.
    (tmp_path / "sitecustomize.py").write_text(
        "import sysconfig\nsysconfig.get_config_vars()['Py_GIL_DISABLED'] = 1\n"
    )
    said = configure(tmp_path / "build", PYTHONPATH=str(tmp_path))
    assert "Switchback does not support free-threaded builds of CPython" in said
    assert "Use a build with a GIL" in said


def test_the_compiler_refuses_a_free_threaded_python():
    header = SOURCE / "src" / "interpreter" / "python.hpp"
    command = [COMPILER, "-std=c++20", "-fsyntax-only", "-x", "c++", "-DPy_GIL_DISABLED=1"]
    child = subprocess.run(
        [*command, f"-I{SOURCE / 'src'}", f"-I{sysconfig.get_path('include')}", header],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert child.returncode != 0
    assert "Switchback does not support free-threaded builds of CPython" in child.stderr
