"""Portals driven by hand, without an event loop."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator
from typing import Any

from switchback import _engine


@types.coroutine
def trap(value: Any = "trap") -> Generator[Any, Any, Any]:
    """Suspend with a value; return what is sent."""
    return (yield value)


def suspended(function: Callable[..., Any], *args: Any) -> Any:
    """Return a portal that is suspended in the first await_() of a function."""
    portal = _engine.open_call_portal(function, args)
    portal.send(None)
    return portal


def finish(portal: Any) -> Any:
    """Resume a portal until it returns; return its result."""
    try:
        while True:
            portal.send(None)
    except StopIteration as stop:
        return stop.value
