"""What each row of the benchmark does with a library of portals.

The module is loaded anew for every library, as the interpreter specializes the code of a function
for the types that it meets.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from rows import Checkpoint, Clock, Row


def make_rows(library: Any, checkpoint: Checkpoint, clock: Clock) -> dict[str, Row]:
    """The rows by label; each is called with a number of operations and returns seconds."""
    await_ = library.await_
    ensure_portal = library.ensure_portal
    with_portal_run: Callable[..., Awaitable[float]] = library.with_portal_run
    with_portal_run_sync: Callable[..., Awaitable[float]] = library.with_portal_run_sync

    async def busy(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await checkpoint()
        return clock() - begin

    def sync_busy(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await_(checkpoint())
        return clock() - begin

    async def call_sync_busy(count: int) -> float:
        return sync_busy(count)

    async def adapt(function: Callable[[], float]) -> float:
        return function()

    async def in_one_portal(count: int) -> float:
        return await with_portal_run(busy, count)

    async def await_in_one_portal(count: int) -> float:
        return await with_portal_run(call_sync_busy, count)

    async def in_one_portal_and_await(count: int) -> float:
        return await with_portal_run(adapt, lambda: await_(busy(count)))

    async def await_in_one_sync_portal(count: int) -> float:
        return await with_portal_run_sync(sync_busy, count)

    def checkpoint_step() -> None:
        await_(checkpoint())

    async def call_checkpoint_step() -> None:
        checkpoint_step()

    async def async_portals_with_checkpoint(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await with_portal_run(call_checkpoint_step)
        return clock() - begin

    async def sync_portals_with_checkpoint(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await with_portal_run_sync(checkpoint_step)
        return clock() - begin

    def pass_step() -> None:
        pass

    async def call_pass_step() -> None:
        pass_step()

    async def async_portals(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await with_portal_run(call_pass_step)
        return clock() - begin

    async def sync_portals(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await with_portal_run_sync(pass_step)
        return clock() - begin

    async def no_suspension() -> None:
        pass

    async def portals_for_empty(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await with_portal_run(no_suspension)
        return clock() - begin

    async def in_ensured_portal(count: int) -> float:
        await ensure_portal()
        return await busy(count)

    async def await_in_ensured_portal(count: int) -> float:
        await ensure_portal()
        return sync_busy(count)

    def sync_no_suspension(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await_(no_suspension())
        return clock() - begin

    async def await_without_suspension(count: int) -> float:
        return await with_portal_run_sync(sync_no_suspension, count)

    def descend(levels: int, count: Any) -> Any:
        # Every level is a call of a C function that calls back: real frames on the C stack.
        if levels == 0:
            return sync_busy(count)
        return functools.reduce(descend, (levels - 1, count))

    def under(levels: int) -> Row:
        async def row(count: int) -> float:
            return await with_portal_run_sync(descend, levels, count)

        return row

    return {
        # No portal here: what these differ by from the native row is the noise of the measurement.
        "checkpoints": busy,
        "checkpoints in one portal": in_one_portal,
        "await_(checkpoint)s in one portal": await_in_one_portal,
        "checkpoints in one (portal + await_)": in_one_portal_and_await,
        "await_(checkpoint)s in one sync portal": await_in_one_sync_portal,
        "[async portal + await_ + checkpoint]s": async_portals_with_checkpoint,
        "[sync portal + await_ + checkpoint]s": sync_portals_with_checkpoint,
        "async portal creations": async_portals,
        "sync portal creations": sync_portals,
        "portals for an empty coroutine": portals_for_empty,
        "checkpoints in one ensured portal": in_ensured_portal,
        "await_(checkpoint)s in one ensured portal": await_in_ensured_portal,
        "await_ of a coroutine that does not suspend": await_without_suspension,
        "await_(checkpoint) under 0 nested C calls": under(0),
        "await_(checkpoint) under 50 nested C calls": under(50),
        "await_(checkpoint) under 200 nested C calls": under(200),
    }
