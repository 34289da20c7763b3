"""Finds the rows of a suite: what each contender does, under the same labels."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType

Checkpoint = Callable[[], Awaitable[object]]
Clock = Callable[[], float]
Row = Callable[[int], Awaitable[float]]

CONTENDERS = ("native", "switchback", "greenback")


def installed() -> list[str]:
    """The contenders that can be imported here."""
    return [name for name in CONTENDERS if name == "native" or importlib.util.find_spec(name)]


def load_apart(name: str, contender: str) -> ModuleType:
    """Load a module of this directory once more, with code objects of its own."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"{name}_{contender}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(suite: str, contender: str, checkpoint: Checkpoint, clock: Clock) -> dict[str, Row]:
    """The rows by label; each is called with a number of operations and returns seconds."""
    rows: dict[str, Row]
    if contender == "native":
        rows = load_apart(f"{suite}_native", contender).make_rows(checkpoint, clock)
    else:
        library = importlib.import_module(contender)
        rows = load_apart(f"{suite}_portal", contender).make_rows(library, checkpoint, clock)
    return rows
