"""asyncio: await_() in threads that an enabled loop has sent a function to.

The awaitable runs as a task on that loop, and only the thread waits for it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from .. import _engine, _refusals

#: How often a thread that waits looks whether its loop still turns.
INTERVAL = 0.5
#: How often a loop has to be found at the same place to count as waiting without turning.
LOOKS = 3
#: Where code waits for a thread.
_WAITING = ("threading", "concurrent.futures", "queue", "_thread")

_here = threading.local()


class Call:
    """A function that a loop has sent to a thread, and the tasks that it has there for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any]) -> None:
        self.loop = loop
        self.function = function
        self.sender = threading.get_ident()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.is_cancelled = False

    def __call__(self, *args: Any) -> Any:
        outer = getattr(_here, "call", None)
        _here.call = self
        try:
            return self.function(*args)
        finally:
            _here.call = outer

    def ended(self, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            self.is_cancelled = True
            for task in tuple(self.tasks):
                task.cancel()


def watch(loop: Any) -> None:
    """Note of each function that a loop sends to a thread whose it is."""
    original = loop.run_in_executor

    def run_in_executor(executor: Any, func: Any, *args: Any) -> Any:
        code_flags = getattr(getattr(func, "__code__", None), "co_flags", 0)
        if not _runs_in_threads(executor) or code_flags & _refusals.CO_COROUTINE:
            return original(executor, func, *args)
        call = Call(loop, func)
        future = original(executor, call, *args)
        future.add_done_callback(call.ended)
        return future

    run_in_executor.switchback_original = original  # type: ignore[attr-defined]
    loop.run_in_executor = run_in_executor


def unwatch(loop: Any) -> None:
    if hasattr(vars(loop).get("run_in_executor"), "switchback_original"):
        del loop.run_in_executor


def _runs_in_threads(executor: Any) -> bool:
    # Others send pickles to where they run what they are given.
    if executor is None:
        return True
    names = {kind.__name__ for kind in type(executor).__mro__}
    if isinstance(executor, ThreadPoolExecutor):
        return "InterpreterPoolExecutor" not in names
    return "CurrentThreadExecutor" in names  # of asgiref


def await_in_thread(awaitable: Any) -> tuple[Any] | None:
    """Await on the loop that this thread works for; return the result in a tuple, or None."""
    if asyncio._get_running_loop() is not None:
        return None
    call = getattr(_here, "call", None)
    if call is not None:
        return (_forward(call, awaitable),)
    if "anyio" in sys.modules:
        return _forward_by_anyio(awaitable)
    return None


class _Errand:
    """One awaitable on its way to a loop, and back."""

    def __init__(self, call: Call, awaitable: Any) -> None:
        self.call = call
        self.awaitable = awaitable
        self.context = copy_context()
        self.is_done = threading.Lock()
        self.is_done.acquire()
        # Held by who decides whether it begins: the loop, or a thread that gives up.
        self.claim = threading.Lock()
        self.begun = False
        self.task: asyncio.Task[Any] | None = None
        self.error: BaseException | None = None

    def begin(self) -> None:
        """Begin in the thread of the loop."""
        if not self.claim.acquire(blocking=False):
            return
        self.begun = True
        try:
            if self.call.is_cancelled:
                raise asyncio.CancelledError
            awaitable = self.awaitable
            if type(awaitable) is not types.CoroutineType:
                awaitable = _awaits(awaitable)
            task = self.call.loop.create_task(awaitable, context=self.context)
        except BaseException as error:
            _close(self.awaitable)
            self.error = error
            self.is_done.release()
            return
        self.task = task
        self.call.tasks.add(task)
        task.add_done_callback(self.end)

    def end(self, task: asyncio.Task[Any]) -> None:
        self.call.tasks.discard(task)
        self.is_done.release()

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        assert self.task is not None
        return self.task.result()


async def _awaits(awaitable: Any) -> Any:
    return await awaitable


def _close(awaitable: Any) -> None:
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()


def _forward(call: Call, awaitable: Any) -> Any:
    errand = _Errand(call, awaitable)
    before = dict(errand.context)
    try:
        call.loop.call_soon_threadsafe(errand.begin)
    except RuntimeError:
        _close(awaitable)
        raise RuntimeError(
            "await_() was called in a thread that works for an event loop which has been closed"
        ) from None
    try:
        _wait(errand)
        return errand.result()
    finally:
        _take_over(errand.context, before)
        del errand


def _wait(errand: _Errand) -> None:
    seen: list[Any] = []
    while not errand.is_done.acquire(timeout=INTERVAL):
        call = errand.call
        if call.loop.is_closed():
            raise RuntimeError("the event loop that await_() waits for in a thread was closed")
        if errand.begun:
            continue
        frame = sys._current_frames().get(call.sender)
        place = None if frame is None else (id(frame), frame.f_lasti)
        if frame is None or not _is_waiting(frame) or (seen and seen[-1] != place):
            seen.clear()
        seen.append(place)
        if frame is not None and len(seen) >= LOOKS and errand.claim.acquire(blocking=False):
            _close(errand.awaitable)
            while frame.f_back is not None and _is_waiting(frame):
                frame = frame.f_back
            code = frame.f_code
            raise RuntimeError(
                f"await_() in thread {threading.current_thread().name!r} needs the event loop, "
                f"which does not turn: its thread waits in {code.co_qualname}() "
                f"({code.co_filename}:{frame.f_lineno}). Wait there by an await, such as of the "
                "future that run_in_executor() returns"
            )


def _is_waiting(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(_WAITING)


def _take_over(context: Any, before: dict[Any, Any]) -> None:
    """Have the context variables that the awaitable has set, as if this code had."""
    for variable, value in context.items():
        if variable not in before or before[variable] is not value:
            variable.set(value)


def _forward_by_anyio(awaitable: Any) -> tuple[Any] | None:
    """Do the same in a thread of anyio's, as Starlette has them, with its cancellation."""
    from anyio import from_thread

    before = dict(copy_context())
    contexts: list[Any] = []

    async def awaits() -> Any:
        contexts.append(None)
        try:
            return await awaitable
        finally:
            contexts[0] = copy_context()

    try:
        return (from_thread.run(awaits),)
    except RuntimeError:
        if contexts:
            raise
        return None  # not a thread of anyio's
    finally:
        if contexts and contexts[0] is not None:
            _take_over(contexts[0], before)


def set_active(active: bool) -> None:
    _engine.set_await_in_thread(await_in_thread if active else None)
