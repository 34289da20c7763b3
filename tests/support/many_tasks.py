"""Fifty tasks inside of one library, each in a portal, ending in another order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from switchback import await_, with_portal_run_sync

TASKS = 50


def later(index: int, value: Any, turn: int = 0) -> Any:
    """Return the value after a time that is not the same for all tasks and turns."""
    return await_(asyncio.sleep(0.0005 * ((index * 5 + turn * 3) % 7), value))


def check(function: Callable[[int], Any], expected: Callable[[int], Any]) -> None:
    """Expect of ``function(index)`` what the same index gives without portals, for all at once."""

    async def main() -> list[Any]:
        calls = (with_portal_run_sync(function, index) for index in range(TASKS))
        return await asyncio.gather(*calls)

    got = asyncio.run(main())
    assert got == [expected(index) for index in range(TASKS)], (function.__name__, got)
