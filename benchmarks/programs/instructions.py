"""Runs rows on asyncio under a tool that counts instructions, each in a process that is forked.

All of them begin where the rows have been loaded, so that neither the start of the interpreter nor
its translation by the tool is repeated. For each row there are three processes: a few operations,
many, and as few again. What this process does between two forks is in the count of the later one;
the mean of the outer two has as much of it as the one between.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import importlib
import os

from rows import CONTENDERS, Row, rows_of

WARM_UP = 200  # beyond what the interpreter specializes code after


async def run(row: Row, count: int) -> None:
    await asyncio.create_task(call(row, WARM_UP))
    await asyncio.create_task(call(row, count))


async def call(row: Row, count: int) -> None:
    await row(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("few", type=int)
    parser.add_argument("many", type=int)
    parser.add_argument("labels", nargs="+")
    parser.add_argument("--greenlet", choices=("with", "without"), default="without")
    arguments = parser.parse_args()
    if arguments.greenlet == "with":
        importlib.import_module("greenlet")
        importlib.import_module("switchback").settings.backend = "auto"
    checkpoint = functools.partial(asyncio.sleep, 0)
    rows = rows_of("latency", arguments.contender, checkpoint, lambda: 0.0)
    # As when time is measured; a collection would hit one count and not the other.
    gc.collect()
    gc.disable()
    for label in arguments.labels:
        for count in (arguments.few, arguments.many, arguments.few):
            child = os.fork()
            if child == 0:
                asyncio.run(run(rows[label], count))
                os._exit(0)
            _, status = os.waitpid(child, 0)
            if status != 0:
                raise SystemExit(f"{label}: wait status {status}")


if __name__ == "__main__":
    main()
