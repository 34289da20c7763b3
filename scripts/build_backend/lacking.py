"""What a build of the package lacks on this machine, where that is certain: see `message()`.

Where it is not, because Boost may be anywhere or another machine is built for, CMake decides.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

_HEADER = "boost/context/detail/fcontext.hpp"
_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

#: What can be missing, in words.
_NAMES = {
    "compiler": "a compiler for C++20",
    "boost": "Boost.Context as a static library",
    "python": f"the headers of Python {_PYTHON}",
}

#: How each is installed.
_COMMANDS = {
    "apt-get": (
        "apt-get install",
        {"compiler": "g++", "boost": "libboost-context-dev", "python": f"python{_PYTHON}-dev"},
    ),
    "dnf": (
        "dnf install",
        {"compiler": "gcc-c++", "boost": "boost-devel boost-static", "python": "python3-devel"},
    ),
    "apk": (
        "apk add",
        {"compiler": "g++", "boost": "boost-dev boost-static", "python": "python3-dev"},
    ),
    "brew": (
        "brew install",
        {"compiler": "llvm", "boost": "boost", "python": f"python@{_PYTHON}"},
    ),
    "vcpkg": ("vcpkg install", {"boost": "boost-context"}),
}

#: The start of the names of variables that may lead a build elsewhere.
_LEADS = ("BOOST", "CMAKE_", "NIX_CFLAGS", "NIX_LDFLAGS", "SKBUILD", "_PYTHON_HOST_PLATFORM")
#: Settings of CMake that do not, as `pip --config-settings` has them.
_HARMLESS = ("cmake.build-type", "cmake.define.SWITCHBACK_", "cmake.verbose")

#: What CMake takes for a compiler, where CXX does not name one.
_COMPILERS = ("c++", "CC", "g++", "aCC", "cl", "bcc", "xlC", "icpx", "icx", "icpc", "clang++")
#: Where CMake looks beside what PATH leads to.
_PREFIXES = ("/usr/local", "/usr", "/", "/opt/homebrew", "/opt/local", "/opt", "/usr/pkg", "/sw")


def message(settings: Mapping[str, object] | None = None) -> str | None:
    """Say in one line what a build lacks, and how to install it; or return None.

    `settings` are those of the build, as PEP 517 passes them.
    """
    if sys.platform == "win32" or _may_be_elsewhere(settings or {}):
        return None
    missing = _missing()
    if not missing:
        return None
    names = " and ".join(_NAMES[what] for what in missing)
    if "compiler" in missing and os.environ.get("CXX"):
        names += f" (CXX is {os.environ['CXX']!r})"
    return f"to build switchback, this machine lacks {names}: {', or '.join(_commands(missing))}"


def _may_be_elsewhere(settings: Mapping[str, object]) -> bool:
    return any(name.upper().startswith(_LEADS) for name in os.environ) or any(
        "cmake" in name and not name.startswith(_HARMLESS) for name in settings
    )


def _missing() -> list[str]:
    compiler = _compiler()
    missing = []
    if compiler is None or not _knows_cpp20(compiler):
        missing.append("compiler")
    if not (_has_boost_header(compiler) and _has_boost_library(compiler)):
        missing.append("boost")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing.append("python")
    return missing


def _commands(missing: list[str]) -> list[str]:
    here = [name for name in _COMMANDS if shutil.which(name)]
    return [
        " ".join([command, *(packages[what] for what in missing if what in packages)])
        for command, packages in map(_COMMANDS.__getitem__, here[:1] or _COMMANDS)
        if any(what in packages for what in missing)
    ]


def _compiler() -> list[str] | None:
    named = shlex.split(os.environ.get("CXX", ""))
    if named:
        return named if shutil.which(named[0]) else None
    return next(([name] for name in _COMPILERS if shutil.which(name)), None)


def _run(compiler: list[str], source: str, *options: str) -> subprocess.CompletedProcess[str]:
    flags = shlex.split(os.environ.get("CXXFLAGS", ""))
    return subprocess.run(
        [*compiler, *flags, *options, "-x", "c++", "-"],
        input=source,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )


def _knows_cpp20(compiler: list[str]) -> bool:
    child = _run(compiler, "int main() {}\n", "-std=c++20", "-fsyntax-only")
    # Anything else that is wrong with it is for CMake to say.
    return child.returncode == 0 or "c++20" not in child.stderr


def _has_boost_header(compiler: list[str] | None) -> bool:
    if compiler is not None and _run(compiler, f"#include <{_HEADER}>\n", "-E").returncode == 0:
        return True
    return _stands_in_a_prefix(f"include/{_HEADER}", f"include/boost*/{_HEADER}")


def _has_boost_library(compiler: list[str] | None) -> bool:
    if compiler is not None:
        # Prints the name alone where the compiler does not find it.
        command = [*compiler, "-print-file-name=libboost_context.a"]
        child = subprocess.run(command, capture_output=True, text=True)
        if os.path.isabs(child.stdout.strip()):
            return True
    return _stands_in_a_prefix("lib*/libboost_context*.a", "lib*/*/libboost_context*.a")


def _stands_in_a_prefix(*patterns: str) -> bool:
    return any(
        next(prefix.glob(pattern), None) is not None
        for prefix in _prefixes()
        for pattern in (*patterns, "lib*/cmake/Boost-*")
    )


def _prefixes() -> Iterator[Path]:
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(entry)
        yield path.parent if path.name in ("bin", "sbin") else path
    yield Path(sys.prefix)
    yield from map(Path, _PREFIXES)
