"""What the rows of depth do with a library of portals: await_() under many calls."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from rows import Checkpoint, Clock, Row

DEPTHS = (0, 10, 50, 100, 200, 500, 1000)
C = "under {} C calls"
PYTHON = "under {} Python calls"

# On 3.11 a C function that calls back counts as two calls.
sys.setrecursionlimit(10_000)


def make_rows(library: Any, checkpoint: Checkpoint, clock: Clock) -> dict[str, Row]:
    await_ = library.await_

    def busy(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await_(checkpoint())
        return clock() - begin

    def descend_in_c(levels: int, count: Any) -> Any:
        # Every level is a call of a C function that calls back: real frames on the C stack.
        if levels == 0:
            return busy(count)
        return functools.reduce(descend_in_c, (levels - 1, count))

    def descend(levels: int, count: int) -> float:
        if levels == 0:
            return busy(count)
        return descend(levels - 1, count)

    def under(function: Callable[[int, Any], float], levels: int) -> Row:
        async def row(count: int) -> float:
            seconds: float = await library.with_portal_run_sync(function, levels, count)
            return seconds

        return row

    rows = {}
    for levels in DEPTHS:
        rows[C.format(levels)] = under(descend_in_c, levels)
        rows[PYTHON.format(levels)] = under(descend, levels)
    return rows
