"""Has all tasks of asyncio's event loop but one stand still."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Ready(deque[Any]):
    """What the loop is about to run, but for the steps of some tasks."""

    def __init__(self, standing: set[Any]) -> None:
        super().__init__()
        self.standing = standing
        self.kept: list[Any] = []

    def is_kept(self, handle: Any) -> bool:
        return getattr(handle._callback, "__self__", None) in self.standing

    def append(self, handle: Any) -> None:
        if self.is_kept(handle):
            self.kept.append(handle)
        else:
            super().append(handle)


@contextmanager
def others_stand_still() -> Iterator[None]:
    """Have the tasks that there are take no step inside the context, but for the running one."""
    loop: Any = asyncio.get_running_loop()
    if not isinstance(getattr(loop, "_ready", None), deque):
        raise RuntimeError(
            f"the other tasks cannot stand still on a {type(loop).__module__} event loop, only on "
            "those of asyncio"
        )
    ready = _Ready(asyncio.all_tasks(loop) - {asyncio.current_task()})
    # The loop has counted them, and takes as many.
    nothing = asyncio.Handle(lambda: None, (), loop)
    for handle in loop._ready:
        ready.append(handle)
        if ready.is_kept(handle):
            ready.append(nothing)
    loop._ready = ready
    try:
        yield
    finally:
        loop._ready = deque([*loop._ready, *ready.kept])
