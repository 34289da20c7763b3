"""asyncio: a loop that is run inside of another, which goes on meanwhile.

A synchronous function with a portal may run a loop of its own. Where that one would block in its
selector, it awaits on the outer loop instead: a selector of the system can itself be polled.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import _engine


class _Surroundings:
    """What a thread has of the loop that runs in it, to be exchanged for that of another."""

    def __init__(self) -> None:
        self.loop = asyncio._get_running_loop()
        self.hooks = sys.get_asyncgen_hooks()
        self.tracking = sys.get_coroutine_origin_tracking_depth()
        # Before, each loop had a task of its own.
        self.task = asyncio.current_task(self.loop) if sys.version_info >= (3, 14) else None

    def leave(self, loop: Any = None) -> None:
        if self.task is not None:
            asyncio.tasks._swap_current_task(self.loop, None)  # type: ignore[attr-defined]
        asyncio._set_running_loop(loop)

    def enter(self) -> None:
        asyncio._set_running_loop(self.loop)
        sys.set_asyncgen_hooks(*self.hooks)
        sys.set_coroutine_origin_tracking_depth(self.tracking)
        if self.task is not None:
            asyncio.tasks._swap_current_task(self.loop, self.task)  # type: ignore[attr-defined]


class _AwaitingSelector:
    """Stands in for a loop's selector, while another loop is around it."""

    def __init__(self, selector: Any, outer: _Surroundings) -> None:
        self._selector = selector
        self._outer = outer
        self._is_closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)

    def select(self, timeout: float | None = None) -> Any:
        if self._is_closing:
            return self._selector.select(timeout)
        ready = self._selector.select(0)
        inner = _Surroundings()
        inner.leave()
        self._outer.enter()
        try:
            waits = not ready and (timeout is None or timeout > 0)
            _engine.await_(self._wait(timeout) if waits else asyncio.sleep(0))
        except GeneratorExit:
            # The portal is being closed, and cannot wait any more.
            self._is_closing = True
            raise
        finally:
            self._outer.leave()
            inner.enter()
        return ready or self._selector.select(0)

    async def _wait(self, timeout: float | None) -> None:
        outer: Any = self._outer.loop
        readable = outer.create_future()

        def wake() -> None:
            if not readable.done():
                readable.set_result(None)

        timer = None if timeout is None else outer.call_later(timeout, wake)
        outer.add_reader(self._selector.fileno(), wake)
        try:
            await readable
        finally:
            outer.remove_reader(self._selector.fileno())
            if timer is not None:
                timer.cancel()


@contextmanager
def guest(inner: Any) -> Iterator[None]:
    """Let a loop run that does not run yet, inside of the one that does.

    The outer one goes on where there is a portal and `inner` has a selector that can be polled, and
    stands still else, as everything in the thread does.
    """
    outer = _Surroundings()
    selector = getattr(inner, "_selector", None)
    awaits = _engine.has_active_portal() and hasattr(selector, "fileno")
    if awaits:
        inner._selector = _AwaitingSelector(selector, outer)
    outer.leave()
    try:
        yield
    finally:
        if awaits:
            inner._selector = selector
        outer.enter()
