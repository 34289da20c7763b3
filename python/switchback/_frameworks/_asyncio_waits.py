"""Waits for what asyncio's running loop is to do, in its own thread: in debug mode they raise."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from .._watching import when_imported

T = TypeVar("T")

_is_on = False

_replaced: list[tuple[Any, str, Any]] = []


def refuse() -> None:
    """Have the result of `run_coroutine_threadsafe` refuse to wait where that has no end."""
    global _is_on
    _is_on = True
    when_imported("asyncio", _replace_all)


def allow() -> None:
    global _is_on
    _is_on = False
    while _replaced:
        setattr(*_replaced.pop())


def _replace_all() -> None:
    if not _is_on or _replaced:
        return
    import asyncio
    import asyncio.tasks
    from concurrent.futures import Future

    _replace(asyncio.tasks, "run_coroutine_threadsafe", _noting_the_loop)
    _replace(asyncio, "run_coroutine_threadsafe", lambda _: asyncio.tasks.run_coroutine_threadsafe)
    _replace(Future, "result", _refusing)
    _replace(Future, "exception", _refusing)


def _replace(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    original = getattr(owner, name)
    _replaced.append((owner, name, original))
    setattr(owner, name, wrap(original))


def _noting_the_loop(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def run_coroutine_threadsafe(coro: Any, loop: Any) -> Any:
        future = original(coro, loop)
        future._switchback_loop = loop
        return future

    return run_coroutine_threadsafe


def _refusing(original: Callable[..., T]) -> Callable[..., T]:
    @functools.wraps(original)
    def wait(self: Any, timeout: float | None = None) -> T:
        import asyncio

        loop = getattr(self, "_switchback_loop", None)
        if loop is not None and not self.done() and loop is asyncio._get_running_loop():
            raise RuntimeError(
                f"{original.__name__}() would block the event loop that is to run the coroutine, "
                f"so that it never ends: call await_() with the coroutine, or with "
                f"asyncio.wrap_future() of this future"
            )
        return original(self, timeout)

    return wait
