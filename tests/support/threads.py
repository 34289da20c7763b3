"""Calls a function in another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a thread of its own, and return or raise what it does."""
    outcome: list[tuple[Any, BaseException | None]] = []

    def call() -> None:
        try:
            outcome.append((function(*args), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=call, name="the worker")
    thread.start()
    thread.join()
    [(result, error)] = outcome
    if error is not None:
        raise error
    return result
