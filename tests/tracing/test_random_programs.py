"""Random programs under tools that pair each call with its return, switched at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys

import pytest
from support.call_checkers import CHECKERS
from support.random_calls import Failure, Programs

from switchback import with_portal_run_sync

#: For each tool, on all the time and switched meanwhile. scripts/fuzz.sh asks for more.
PROGRAMS = int(os.environ.get("SWITCHBACK_TRACED_PROGRAMS", "200"))
FIRST = int(os.environ.get("SWITCHBACK_FUZZ_SEED", "0"))


def run_one(seed, checker, *, toggles):
    rng = random.Random(seed)
    # Once on and once off: whether a C function that lasts was called while a tool was on before
    # the last time, nothing can tell.
    switches = [checker.start, checker.stop] if toggles else []

    def toggle():
        if switches:
            switches.pop(0)()

    async def checkpoint():
        await asyncio.sleep(0)

    async def ticker(count):
        for _ in range(count):
            await asyncio.sleep(0)
            if rng.random() < 0.15:
                toggle()

    async def work(function):
        with contextlib.suppress(Failure, asyncio.CancelledError):
            await with_portal_run_sync(function)

    async def main():
        programs = Programs(rng, checkpoint, toggle if toggles else None)
        tasks = [
            asyncio.create_task(work(programs.function(rng.randrange(1, 6)))) for _ in range(3)
        ]
        tasks.append(asyncio.create_task(ticker(rng.randrange(20))))
        if rng.random() < 0.3:
            asyncio.get_running_loop().call_soon(rng.choice(tasks).cancel)
        await asyncio.gather(*tasks, return_exceptions=True)

    if not toggles or rng.random() < 0.3:
        checker.start()
        del switches[:1]
    try:
        asyncio.run(main())
    finally:
        checker.stop()


@pytest.mark.parametrize("toggles", [False, True], ids=["on", "toggled"])
@pytest.mark.parametrize("make_checker", CHECKERS)
def test_each_return_matches_its_call(make_checker, toggles):
    if sys.version_info < make_checker.minor:
        pytest.skip("sys.monitoring is new in 3.12")
    returns = 0
    for seed in range(FIRST, FIRST + PROGRAMS):
        checker = make_checker()
        run_one(seed, checker, toggles=toggles)
        assert checker.faults == [], f"seed {seed}"
        returns += checker.returns
    assert returns > 15 * PROGRAMS
