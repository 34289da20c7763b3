"""Locks of threads that frames hold while their portal is suspended."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from dis import get_instructions
from types import CodeType, FrameType

from .. import _engine
from .._code_facts import exception_entries, handlers

_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading._RLock)


def look(portal: _engine.Portal) -> None:
    """Warn of each lock that a frame of a suspended portal has entered by ``with``."""
    frame = _engine.innermost_frame(portal)
    while frame is not None:
        for lock, line in _held(frame):
            _warn(frame, lock, line)
        frame = frame.f_back


def _held(frame: FrameType) -> Iterator[tuple[object, int]]:
    for depth, line in _entered(frame.f_code, frame.f_lasti):
        # The method that leaves it; from 3.14 on that, and what it belongs to unless it knows.
        value = _engine.value_on_stack(frame, depth - 1)
        if value is None and sys.version_info >= (3, 14):
            value = _engine.value_on_stack(frame, depth - 2)
        owner = getattr(value, "__self__", value)
        lock = getattr(owner, "_lock", None) if isinstance(owner, threading.Condition) else owner
        if isinstance(lock, _LOCKS):
            yield lock, line


def _entered(code: CodeType, at: int) -> Iterator[tuple[int, int]]:
    """Yield the depth of the stack and the line of each ``with`` around an instruction."""
    entries = exception_entries(code)
    if not entries:
        return
    instructions = {found.offset: found for found in get_instructions(code)}
    offsets = sorted(instructions)
    for entry in handlers(entries, at):
        after = offsets[offsets.index(entry.target) + 1 :][:1]
        if after and instructions[after[0]].opname == "WITH_EXCEPT_START":
            positions = instructions[entry.target].positions
            yield entry.depth, (positions.lineno if positions else None) or code.co_firstlineno


def _warn(frame: FrameType, lock: object, line: int) -> None:
    code = frame.f_code
    lets_in = "RLock" in type(lock).__name__
    consequence = "lets other tasks of its thread in" if lets_in else "blocks the event loop"
    warnings.warn_explicit(
        f"{code.co_qualname}() waits in await_() and holds {lock!r} meanwhile, which belongs to "
        f"the thread and {consequence}: release it before, or use switchback.exclusive() in its "
        f"place",
        RuntimeWarning,
        code.co_filename,
        line,
        frame.f_globals.get("__name__"),
        frame.f_globals.setdefault("__warningregistry__", {}),
    )
