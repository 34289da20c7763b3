"""Measures blocks of the rows that a parent asks for, with greenlet in the process or without.

Each line of input names a row and a number of operations; the answer is the seconds that the block
took on a new task of asyncio.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from rows import Row

checkpoint = functools.partial(asyncio.sleep, 0)
clock = time.thread_time


def make_rows(library: Any) -> dict[str, Row]:
    await_ = library.await_
    with_portal_run = library.with_portal_run
    with_portal_run_sync = library.with_portal_run_sync

    async def busy(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await checkpoint()
        return clock() - begin

    # With code of its own, as the interpreter specializes code for what it meets.
    async def busy_in_portal(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await checkpoint()
        return clock() - begin

    def sync_busy(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await_(checkpoint())
        return clock() - begin

    def descend(levels: int, count: Any) -> Any:
        # Every level is a call of a C function that calls back: real frames on the C stack.
        if levels == 0:
            return sync_busy(count)
        return functools.reduce(descend, (levels - 1, count))

    async def nothing() -> None:
        pass

    async def creations(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await with_portal_run(nothing)
        return clock() - begin

    def in_portal(function: Callable[..., Any], *arguments: int) -> Row:
        async def row(count: int) -> float:
            seconds: float = await with_portal_run_sync(function, *arguments, count)
            return seconds

        return row

    async def checkpoints_in_portal(count: int) -> float:
        seconds: float = await with_portal_run(busy_in_portal, count)
        return seconds

    return {
        "checkpoint": busy,
        "checkpoint in a portal": checkpoints_in_portal,
        "await_(checkpoint)": in_portal(sync_busy),
        "portal": creations,
        "await_(checkpoint) under 0 C calls": in_portal(descend, 0),
        "await_(checkpoint) under 200 C calls": in_portal(descend, 200),
    }


def make_greenlet_rows(library: Any, greenlet: Any) -> dict[str, Row]:
    await_ = library.await_

    def sync_busy(count: int) -> float:
        begin = clock()
        for _ in range(count):
            await_(checkpoint())
        return clock() - begin

    def start(count: int) -> float:
        seconds: float = greenlet.greenlet(sync_busy).switch(count)
        return seconds

    async def in_greenlet(count: int) -> float:
        seconds: float = await library.with_portal_run_sync(start, count)
        return seconds

    async def with_round_trip(count: int) -> float:
        async_side = greenlet.getcurrent()

        def forever() -> None:
            while True:
                async_side.switch()

        one = greenlet.greenlet(forever)
        one.switch()
        begin = clock()
        for _ in range(count):
            await checkpoint()
            one.switch()
        return clock() - begin

    async def by_greenlet(count: int) -> float:
        # What SQLAlchemy does for each await, reduced to the switches.
        async_side = greenlet.getcurrent()

        def sync_side() -> float:
            begin = clock()
            for _ in range(count):
                async_side.switch(checkpoint())
            return clock() - begin

        one = greenlet.greenlet(sync_side)
        result = one.switch()
        while not one.dead:
            result = one.switch(await result)
        return result

    return {
        "await_(checkpoint) in a greenlet": in_greenlet,
        "checkpoint, and a round trip of greenlet": with_round_trip,
        "checkpoint, awaited for a greenlet by its parent": by_greenlet,
    }


async def answer(rows: dict[str, Row]) -> None:
    async def block(row: Row, count: int) -> float:
        return await row(count)

    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        label, count = json.loads(line)
        gc.collect()
        gc.disable()
        seconds = await asyncio.create_task(block(rows[label], count))
        gc.enable()
        print(json.dumps(seconds), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("greenlet", choices=("with", "without"))
    with_greenlet = parser.parse_args().greenlet == "with"
    greenlet = importlib.import_module("greenlet") if with_greenlet else None
    import switchback

    # As in programs that set nothing.
    switchback.settings.backend = "auto"
    rows = make_rows(switchback)
    if with_greenlet:
        rows |= make_greenlet_rows(switchback, greenlet)
    backend = switchback.backend_in_use()
    assert backend.name == "native", backend.why
    asyncio.run(answer(rows))
    assert ("greenlet" in sys.modules) == with_greenlet


if __name__ == "__main__":
    main()
