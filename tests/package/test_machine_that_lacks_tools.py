"""What is said in one line where a build, or `make setup`, lacks what it needs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.children import SOURCE

COMPILER = shutil.which(os.environ.get("CXX") or "g++")
#: Without what sanitizers have loaded into a Python, and what says where things are.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("LD_PRELOAD", "CXX", "SWITCHBACK_IS_SET_UP")
    and not name.upper().startswith(("BOOST", "CMAKE_", "SKBUILD"))
}

pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.skipif(sys.platform == "win32", reason="CMake finds all there is"),
]
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no compiler here")


@pytest.fixture
def lacking(monkeypatch, tmp_path):
    """What looks for tools, on a machine with none: no compiler, no Boost, no package manager."""
    path = SOURCE / "scripts" / "build_backend" / "lacking.py"
    spec = importlib.util.spec_from_file_location("lacking", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in set(os.environ) - set(ENVIRONMENT):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(module, "_PREFIXES", ())
    return module


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def compiler(lacking, tmp_path) -> Path:
    """A compiler that finds no header of the system, as where Boost is missing."""
    path = tmp_path / "bin" / "g++"
    program(
        path, f'case "$*" in -print*) echo "${{1#*=}}";; *) exec {COMPILER} -nostdinc "$@";; esac'
    )
    return path


def test_without_anything_it_names_both_and_the_packages_of_each_system(lacking):
    said = lacking.message()
    assert "\n" not in said
    assert "a compiler for C++20 and Boost.Context as a static library" in said
    assert "apt-get install g++ libboost-context-dev" in said
    assert "dnf install gcc-c++ boost-devel boost-static" in said
    assert "apk add g++ boost-dev boost-static" in said
    assert "brew install llvm boost" in said
    assert "vcpkg install boost-context" in said


def test_of_a_package_manager_that_is_there_it_names_the_command_alone(lacking, tmp_path):
    program(tmp_path / "bin" / "dnf", "")
    assert lacking.message().endswith(": dnf install gcc-c++ boost-devel boost-static")


def test_a_compiler_that_is_not_there(lacking, monkeypatch):
    monkeypatch.setenv("CXX", "nonesuch++ -m64")
    assert "CXX is 'nonesuch++ -m64'" in lacking.message()


def test_a_compiler_that_is_too_old(lacking, tmp_path):
    program(tmp_path / "bin" / "g++", "echo \"error: unknown option '-std=c++20'\" >&2; exit 1")
    assert "a compiler for C++20" in lacking.message()


@needs_compiler
def test_a_compiler_without_boost(lacking, compiler):
    said = lacking.message()
    assert "lacks Boost.Context as a static library: " in said
    assert "g++" not in said


@needs_compiler
@pytest.mark.parametrize(
    "what", ["include/boost/context/detail/fcontext.hpp", "lib/cmake/Boost-1.90"]
)
def test_what_stands_beside_the_tools_on_path_may_do(lacking, compiler, tmp_path, what):
    (tmp_path / what).mkdir(parents=True)
    (tmp_path / "lib").mkdir(exist_ok=True)
    (tmp_path / "lib" / "libboost_context-mt.a").touch()
    assert lacking.message() is None


@needs_compiler
def test_headers_without_the_static_library_do_not_do(lacking, compiler, tmp_path):
    (tmp_path / "include/boost/context/detail").mkdir(parents=True)
    (tmp_path / "include/boost/context/detail/fcontext.hpp").touch()
    assert "Boost.Context as a static library" in lacking.message()


@pytest.mark.parametrize(
    "name", ["BOOST_ROOT", "Boost_DIR", "CMAKE_PREFIX_PATH", "CMAKE_TOOLCHAIN_FILE", "CMAKE_ARGS"]
)
def test_where_the_environment_leads_elsewhere_cmake_decides(lacking, monkeypatch, name):
    monkeypatch.setenv(name, "/elsewhere")
    assert lacking.message() is None


@pytest.mark.parametrize(
    ("setting", "decides"),
    [
        ("cmake.define.CMAKE_TOOLCHAIN_FILE", True),
        ("cmake.args", True),
        ("cmake.define.SWITCHBACK_WERROR", False),
        ("build-dir", False),
    ],
)
def test_where_settings_lead_elsewhere_cmake_decides(lacking, setting, decides):
    assert (lacking.message({setting: "x"}) is None) == decides


def test_pip_says_it_in_one_line_before_cmake_says_anything(tmp_path):
    if importlib.util.find_spec("scikit_build_core") is None:
        pytest.skip("there is nothing to build with")
    (tmp_path / "sh").symlink_to("/bin/sh")
    command = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-build-isolation"]
    child = subprocess.run(
        [*command, "--no-deps", "--wheel-dir", tmp_path / "wheels", SOURCE],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**ENVIRONMENT, "PATH": str(tmp_path), "CXX": "nonesuch++"},
        timeout=100,
    )
    assert child.returncode != 0
    assert "[1 lines of output]" in child.stdout
    assert "error: to build switchback, this machine lacks a compiler for C++20" in child.stdout
    assert "CMake" not in child.stdout
    assert "Traceback" not in child.stdout


# What scripts/setup.sh runs until it knows what is missing; and a Debian's, where a test has one.
TOOLS = (
    "bash",
    "cat",
    "dirname",
    "echo",
    "env",
    "flock",
    "grep",
    "mkdir",
    "sed",
    "sort",
    "uname",
    "xargs",
)


@pytest.fixture
def setup(tmp_path):
    """Run scripts/setup.sh with some tools only, and return the lines that it says."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    directory = tmp_path / "tools"
    directory.mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (directory / name).symlink_to(found)
    program(directory / "id", "echo 1000")

    def run(**programs: str) -> list[str]:
        for name, text in programs.items():
            program(directory / name.replace("_", "-").replace("xx", "++"), text)
        child = subprocess.run(
            ["bash", SOURCE / "scripts" / "setup.sh"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Pythons of the system may lack parts of it, too.
            env={**ENVIRONMENT, "PATH": str(directory), "SWITCHBACK_PYTHONS": sys.executable},
            timeout=100,
        )
        assert child.returncode == 1, child.stdout
        return child.stdout.splitlines()

    return run


def test_setup_without_a_compiler_or_a_package_manager(setup):
    [line] = setup()
    assert line.startswith("error: missing, by the names of Debian: g++ libboost-context-dev")
    assert "dnf install gcc-c++ boost-devel boost-static" in line
    assert "apk add g++ boost-dev boost-static" in line
    assert "brew install boost" in line


def test_setup_by_a_user_who_cannot_become_root(setup):
    [line] = setup(apt_get="exit 100", sudo="exit 1")
    assert re.fullmatch(
        r"error: missing, and root alone can install it: "
        r"sudo apt-get install g\+\+ libboost-context-dev",
        line,
    )


@needs_compiler
def test_setup_without_boost(setup):
    without = f'case "$*" in -print*) echo "${{1#*=}}";; *) exec {COMPILER} -nostdinc "$@";; esac'
    [line] = setup(gxx=without, apt_get="exit 100", sudo="exit 1")
    assert line.endswith("sudo apt-get install libboost-context-dev")


def test_setup_with_a_compiler_that_is_too_old(setup):
    [line] = setup(gxx="echo \"error: unknown option '-std=c++20'\" >&2; exit 1")
    assert line.startswith("error: g++ does not compile C++20, which GCC 10 and Clang 10 do")


def test_setup_by_root_installs_what_is_missing(setup, tmp_path):
    lines = setup(id="echo 0", apt_get=f'echo "$@" >>{tmp_path}/called; exit 1')
    assert lines[0] == "installing with apt-get: g++ libboost-context-dev"
    assert lines[-1] == "error: apt-get could not install: g++ libboost-context-dev"
    called = (tmp_path / "called").read_text().splitlines()
    assert called[0] == "install -qq -y --no-install-recommends g++ libboost-context-dev"
    assert called[1] == "update -qq"
