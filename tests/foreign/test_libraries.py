"""Libraries that call back serve fifty tasks at once, each in a portal, that end in any order."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support.children import SOURCE, TESTS, check_child, run_python

pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.not_under("asan", "asan-greenlet", "tsan", reason="they are not built for it"),
]

SUPPORT = TESTS / "support"


def cases_of(program: str) -> list[str]:
    """The keys of its CASES: it may not be importable here."""
    text = (SUPPORT / f"{program}.py").read_text(encoding="utf-8")
    return re.findall(r'^    "(\w+)": \(', text, re.MULTILINE)


def check_case(program: str, case: str, modules: Path | None = None) -> None:
    changes = {}
    if modules is not None:
        changes["PYTHONPATH"] = f"{TESTS}:{modules}"
    check_child(run_python(SUPPORT / f"{program}.py", case, **changes))


def compile_module(
    name: str, directory: Path, headers: list[Path], *options: str, source: Path | None = None
) -> Path:
    """Compile an extension module in C++ for this Python, once for each state of its source."""
    compiler = shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    source = source or SUPPORT / f"{name}.cpp"
    module = directory / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    if module.exists() and module.stat().st_mtime > source.stat().st_mtime:
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    includes = [f"-I{path}" for path in (sysconfig.get_paths()["include"], *headers)]
    flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-fvisibility=hidden"]
    made = module.with_suffix(".new")
    command = [compiler, *flags, *includes, *options, source, "-o", made]
    subprocess.run(command, check=True)
    made.replace(module)
    return directory


def built(name: str) -> Path:
    return SOURCE / "build" / "foreign" / f"{name}-{sysconfig.get_config_var('SOABI')}"


def place_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"needs {package}: scripts/setup.sh foreign")
    return Path(spec.origin).parent


@pytest.fixture(scope="session", params=["2.11", "2.13", "3"])
def pybind11_calls(request: pytest.FixtureRequest) -> Path:
    """The module built with each of the versions of pybind11 that keep the call in another way."""
    headers = Path(sys.prefix) / f"pybind11-{request.param}" / "pybind11" / "include"
    if not headers.exists():
        pytest.skip(f"needs pybind11 {request.param}: scripts/setup.sh foreign")
    return compile_module("pybind11_calls", built(f"pybind11-{request.param}"), [headers])


@pytest.fixture(scope="session")
def nanobind_calls() -> Path:
    place = place_of("nanobind")
    headers = [place / "include", place / "ext" / "robin_map" / "include"]
    options = [str(place / "src" / "nb_combined.cpp"), "-fno-strict-aliasing"]
    return compile_module("nanobind_calls", built("nanobind"), headers, *options)


@pytest.fixture(scope="session")
def cython_calls() -> Path:
    place_of("Cython")
    directory, source = built("cython"), SUPPORT / "cython_calls.pyx"
    directory.mkdir(parents=True, exist_ok=True)
    made = directory / "cython_calls.cpp"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        command = [sys.executable, "-m", "cython", "--cplus", "-3", source, "-o", made]
        subprocess.run(command, check=True)
    return compile_module("cython_calls", directory, [], "-w", source=made)


@pytest.mark.parametrize("case", cases_of("pybind11_tasks"))
def test_pybind11(case, pybind11_calls):
    check_case("pybind11_tasks", case, pybind11_calls)


@pytest.mark.parametrize("case", cases_of("nanobind_tasks"))
def test_nanobind(case, nanobind_calls):
    check_case("nanobind_tasks", case, nanobind_calls)


@pytest.mark.parametrize("case", cases_of("scipy_tasks"))
def test_scipy(case):
    place_of("scipy")
    check_case("scipy_tasks", case)


@pytest.mark.parametrize("case", cases_of("standard_tasks"))
def test_c_code_that_keeps_nothing(case):
    if case == "cffi_callback":
        place_of("cffi")
    check_case("standard_tasks", case)


@pytest.mark.parametrize("case", cases_of("cython_tasks"))
def test_cython(case, cython_calls):
    check_case("cython_tasks", case, cython_calls)


#: Where a case is not named for the package that it imports.
PACKAGES = {"pillow": "PIL"}
STANDARD = ("gzip",)


@pytest.mark.parametrize(
    ("program", "case"),
    [(program, case) for program in ("data_tasks", "text_tasks") for case in cases_of(program)],
)
def test_libraries_that_call_back(program, case):
    name = case.partition("_")[0]
    if name not in STANDARD:
        place_of(PACKAGES.get(name, name))
    check_case(program, case)
