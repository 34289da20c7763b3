"""Calls that block the thread of an event loop: found by a thread that looks on."""

from __future__ import annotations

import os
import sys
import threading
import traceback
import warnings
from _thread import get_ident
from collections.abc import Iterator
from dis import get_instructions
from time import monotonic
from types import CodeType, FrameType
from weakref import WeakSet

from .. import _engine
from .._refusals import CO_COROUTINE

#: A call that takes as long is reported.
SECONDS = 1.0
_INTERVAL = 0.2

# What waits for something else than the processor, as the innermost Python function.
_WAITS: set[CodeType] = {
    function.__code__
    for function in (
        threading.Condition.wait,
        threading.Thread.join,
        getattr(threading.Thread, "_wait_for_tstate_lock", None),
    )
    if function is not None
}


class _Watcher:
    """Looks at the threads in which portals have been suspended, as long as loops run there."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._portals: dict[int, WeakSet[_engine.Portal]] = {}

    def watch(self, portal: _engine.Portal) -> None:
        portals = self._portals.get(get_ident())
        if portals is None:
            portals = self._portals.setdefault(get_ident(), WeakSet())
        portals.add(portal)
        if self._thread is not None and self._process == os.getpid():
            return
        with self._lock:
            self._process = os.getpid()
            self._thread = threading.Thread(target=self._run, name="switchback debug", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        seen: dict[int, tuple[object, float]] = {}
        idle = 0
        pause = threading.Event()
        while idle < 10:
            pause.wait(_INTERVAL)
            frames = sys._current_frames()
            running = 0
            for thread, portals in list(self._portals.items()):
                frame = frames.get(thread)
                if frame is None:
                    del self._portals[thread]
                    continue
                if not _runs_a_loop(frame, portals):
                    seen.pop(thread, None)
                    continue
                running += 1
                self._look(thread, frame, seen)
            del frames
            frame = None
            idle = 0 if running else idle + 1
        self._thread = None

    def _look(self, thread: int, frame: FrameType, seen: dict[int, tuple[object, float]]) -> None:
        if not _waits(frame):
            seen.pop(thread, None)
            return
        place = tuple((id(found), found.f_lasti) for found in _chain(frame, 5))
        now = monotonic()
        before = seen.get(thread)
        if before is None or before[0] != place:
            seen[thread] = place, now
        elif now - before[1] >= SECONDS:
            seen[thread] = place, float("inf")  # once
            _report(thread, frame)


_watcher = _Watcher()
watch = _watcher.watch


def _chain(frame: FrameType | None, most: int = 1000) -> Iterator[FrameType]:
    for _ in range(most):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _runs_a_loop(frame: FrameType, portals: WeakSet[_engine.Portal]) -> bool:
    """Tell whether coroutines run on this stack, or one of the portals does."""
    return any(portal.cr_running for portal in list(portals)) or any(
        found.f_code.co_flags & CO_COROUTINE for found in _chain(frame)
    )


def _waits(frame: FrameType) -> bool:
    return frame.f_code in _WAITS or _enters_a_lock(frame)


def _enters_a_lock(frame: FrameType) -> bool:
    """Tell whether C code is called to enter a ``with``: whatever takes long there is a lock."""
    before = ""
    for found in get_instructions(frame.f_code):
        if found.offset == frame.f_lasti:
            return found.opname == "BEFORE_WITH" or (
                found.opname == "CALL" and before == "LOAD_SPECIAL"
            )
        if found.opname != "CACHE":
            before = found.opname
    return False


def _report(thread: int, frame: FrameType) -> None:
    caller = next(
        (found for found in _chain(frame) if not _is_inside(found.f_globals.get("__name__"))), frame
    )
    stack = "".join(traceback.format_stack(frame))
    try:
        warnings.warn_explicit(
            f"{caller.f_code.co_qualname}() has blocked an event loop for a second, in the thread "
            f"{thread}: no other task can run, and if it waits for one of them it waits for ever. "
            f"Await it, or call it in a thread. It is called here:\n{stack}",
            RuntimeWarning,
            caller.f_code.co_filename,
            caller.f_lineno,
        )
    except RuntimeWarning:  # where warnings are errors
        traceback.print_exc()


def _is_inside(module: object) -> bool:
    return isinstance(module, str) and module.startswith(
        ("threading", "queue", "concurrent.futures", "switchback.")
    )
