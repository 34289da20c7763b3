"""Patches asyncio before anything else is imported, and undoes that."""

import sys

import switchback

assert "asyncio" not in sys.modules
finders = list(sys.meta_path)
switchback.patch_asyncio()

import asyncio  # noqa: E402

import anyio  # noqa: E402
import anyio._core._eventloop  # noqa: E402
import uvloop  # noqa: E402


async def later(value):
    await asyncio.sleep(0)
    return value


async def main():
    assert asyncio.run(later(1)) == 1
    assert uvloop.run(later(2)) == 2
    assert anyio.run(later, 3) == 3
    assert asyncio.get_running_loop().run_until_complete(later(4)) == 4
    return "done"


assert asyncio.run(main()) == "done"
assert uvloop.run(main()) == "done"
assert anyio.run(main) == "done"
loop = uvloop.new_event_loop()
assert loop.run_until_complete(main()) == "done"
loop.close()
switchback.unpatch_asyncio()
assert sys.meta_path == finders
for run in (anyio.run, anyio._core._eventloop.run, uvloop.run, asyncio.run):
    assert not hasattr(run, "__wrapped__"), run
