"""Tasks that had their portal before they began are looked after when they first wait."""

import asyncio
import random
import shutil

import pytest
from support.calls_under_way import KINDS, load

import switchback
from switchback import await_


@pytest.mark.parametrize("kind", KINDS)
def test_a_library_that_nothing_is_known_of(built, tmp_path, kind):
    chance = random.Random(7)

    async def one(calls, number):
        def waits():
            for _ in range(3):
                await_(asyncio.sleep(chance.random() / 1000))
                assert calls.under_way() == number
            return number

        return calls.call_back(number, waits)

    async def main():
        switchback.enable()
        await asyncio.sleep(0)
        # In the midst of the run, and not by an import.
        calls = load(shutil.copy(built(kind), tmp_path / "library.so"))
        tasks = [asyncio.create_task(one(calls, number)) for number in range(1, 51)]
        for task in tasks:
            await task
            assert calls.under_way() == 0
        assert [task.result() for task in tasks] == [(number, True) for number in range(1, 51)]
        switchback.disable()

    asyncio.run(main())
