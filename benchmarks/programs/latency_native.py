"""What each row of the benchmark does without a portal: the same loops, with plain await.

Every sync function of `rows_portal` is an async function here, and every `await_` an `await`.
"""

from __future__ import annotations

from rows import Checkpoint, Clock, Row


def make_rows(checkpoint: Checkpoint, clock: Clock) -> dict[str, Row]:
    """The rows by label; each is called with a number of operations and returns seconds."""

    async def busy(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await checkpoint()
        return clock() - begin

    async def call_busy(count: int) -> float:
        return await busy(count)

    async def call_call_busy(count: int) -> float:
        return await call_busy(count)

    async def pass_step() -> None:
        pass

    async def call_pass_step() -> None:
        await pass_step()

    async def checkpoint_step() -> None:
        await checkpoint()

    async def call_checkpoint_step() -> None:
        await checkpoint_step()

    async def checkpoint_steps(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await checkpoint_step()
        return clock() - begin

    async def nested_checkpoint_steps(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await call_checkpoint_step()
        return clock() - begin

    async def pass_steps(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await pass_step()
        return clock() - begin

    async def nested_pass_steps(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await call_pass_step()
        return clock() - begin

    async def call_pass_steps(count: int) -> float:
        return await pass_steps(count)

    return {
        "checkpoints": busy,
        "checkpoints in one portal": call_busy,
        "await_(checkpoint)s in one portal": call_call_busy,
        "checkpoints in one (portal + await_)": call_call_busy,
        "await_(checkpoint)s in one sync portal": call_busy,
        "[async portal + await_ + checkpoint]s": nested_checkpoint_steps,
        "[sync portal + await_ + checkpoint]s": checkpoint_steps,
        "async portal creations": nested_pass_steps,
        "sync portal creations": pass_steps,
        "portals for an empty coroutine": pass_steps,
        "checkpoints in one ensured portal": call_busy,
        "await_(checkpoint)s in one ensured portal": call_busy,
        "await_ of a coroutine that does not suspend": call_pass_steps,
        # Plain await cannot cross a C call: there is nothing to compare the deeper rows with.
        "await_(checkpoint) under 0 nested C calls": call_busy,
    }
