"""Awaiting a coroutine in another way than `await` does it."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator
from typing import Any


@types.coroutine
def await_by(call: Callable[..., Any], coroutine: Any) -> Generator[Any, Any, Any]:
    """Await a coroutine, each of whose steps is ``call(step, argument)``."""
    step, argument = coroutine.send, None
    try:
        while True:
            try:
                trap = call(step, argument)
            except StopIteration as stop:
                return stop.value
            try:
                argument = yield trap
                step = coroutine.send
            except BaseException as thrown:
                argument = thrown
                step = coroutine.throw
    finally:
        del coroutine, step, argument  # what is thrown would hold itself
