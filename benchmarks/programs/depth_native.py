"""What the rows of depth do without a portal: async functions that await each other.

Plain await cannot cross a C call, so there is nothing to compare those rows with.
"""

from __future__ import annotations

from depth_portal import DEPTHS, PYTHON
from rows import Checkpoint, Clock, Row


def make_rows(checkpoint: Checkpoint, clock: Clock) -> dict[str, Row]:
    async def busy(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await checkpoint()
        return clock() - begin

    async def descend(levels: int, count: int) -> float:
        if levels == 0:
            return await busy(count)
        return await descend(levels - 1, count)

    def under(levels: int) -> Row:
        async def row(count: int) -> float:
            return await descend(levels, count)

        return row

    return {PYTHON.format(levels): under(levels) for levels in DEPTHS}
