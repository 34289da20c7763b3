"""Libraries that keep the call under way in thread-locals, and what does the same natively.

Some keep it as pybind11 does, and one is made by pybind11. `build()` compiles them once a run.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

SUPPORT = Path(__file__).resolve().parent.parent.parent / "support"
DIRECTORY = "SWITCHBACK_FUZZ_LIBRARIES"

#: Each way of C code to keep the call.
KINDS = {
    "thread_local": ["-DKEEPS_IN_THREAD_LOCAL"],
    "fixed_place": ["-DKEEPS_IN_FIXED_PLACE"],
    "key": ["-DKEEPS_IN_KEY"],
    "amid_others": ["-DKEEPS_IN_THREAD_LOCAL", "-DWORDS_BEFORE=40", "-DWORDS_AFTER=90"],
}
COUNT = len(KINDS) + 1


def build(directory: Path) -> None:
    """Compile them into a directory, which child processes find by the environment."""
    include = f"-I{sysconfig.get_paths()['include']}"
    options = ["-O1", "-shared", "-fPIC", include]
    for kind, keeps in KINDS.items():
        command = ["cc", *options, *keeps, SUPPORT / "call_under_way.c"]
        subprocess.run([*command, "-o", directory / f"{kind}.so"], check=True)
    headers = Path(sys.prefix) / "pybind11-3" / "pybind11" / "include"
    if headers.exists():
        command = ["c++", "-std=c++17", "-fvisibility=hidden", *options, f"-I{headers}"]
        module = directory / "pybind11_calls.so"
        subprocess.run([*command, SUPPORT / "pybind11_calls.cpp", "-o", module], check=True)
    else:
        print("without pybind11, which scripts/setup.sh foreign installs", flush=True)
    os.environ[DIRECTORY] = str(directory)


@functools.cache
def libraries() -> list[Any]:
    import ctypes

    directory = Path(os.environ[DIRECTORY])
    found = []
    for kind in KINDS:
        library = ctypes.PyDLL(str(directory / f"{kind}.so"))
        library.call_back.argtypes = [ctypes.c_long, ctypes.py_object]
        library.call_back.restype = ctypes.py_object
        library.under_way.restype = ctypes.c_long
        found.append(library)
    return found


@functools.cache
def pybind11_calls() -> Any:
    path = Path(os.environ[DIRECTORY]) / "pybind11_calls.so"
    if not path.exists():
        return None
    spec: Any = importlib.util.spec_from_file_location("pybind11_calls", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call_in_portal(world: Any, by: int, function: Callable[[], Any]) -> Any:
    """Call a function by a library, twice where that is pybind11; note where that goes wrong."""
    if by % COUNT < len(KINDS):
        return _call_by_c(world, libraries()[by % COUNT], function)
    calls = pybind11_calls()
    if calls is None:
        function()
        return "", function()
    results: list[Any] = []

    def call(x: int) -> int:
        results[:] = [function()]
        return x

    text = calls.twice(f"a string that is on the heap, by {by}", call)
    if text != f"a string that is on the heap, by {by}:3":
        world.note("wrong", text)
    return "", results.pop()


def _call_by_c(world: Any, library: Any, function: Callable[[], Any]) -> Any:
    before = library.under_way()
    number = world.next_number()
    try:
        result, is_mine = library.call_back(number, function)
        if not is_mine:
            world.note("not the call under way", number)
        return "", result
    finally:
        del function
        if library.under_way() != before:
            world.note("left behind", library.under_way(), before)


async def call_natively(world: Any, by: int, function: Callable[[], Any]) -> Any:
    if by % COUNT == len(KINDS):
        await function()
    return "", await function()
