"""Trio: what is public of running whole programs; imports Trio only when it is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


def trio_run(async_fn: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
    """Run ``trio.run(async_fn, *args, **options)`` with a portal for every task, system tasks too.

    Raises what that raises.
    """
    from . import _trio_portals

    return _trio_portals.trio_run(async_fn, *args, **options)
