"""A program for debuggers, of async functions and with synchronous ones in their place."""

from __future__ import annotations

_PROGRAM = """\
import asyncio
from switchback import await_, ensure_portal

async def fetch(number):
    await asyncio.sleep(0)
    return number

async def inner(number):
    first = await fetch(number)
    second = await fetch(first)
    return first + second

async def work():
    {first}
    got = await inner(1)
    more = await inner(2)
    return got + more

async def other():
    for number in range({rounds}):
        await asyncio.sleep(0)

async def main():
    task = asyncio.create_task(other())
    await ensure_portal()
    result = await work()
    print(result)
    await task

asyncio.run(main())
"""


def programs(first, rounds):
    """Return both: work() begins with the statement `first`; another task takes so many rounds."""
    native = portal = _PROGRAM.format(first=first, rounds=rounds)
    for name in ("inner", "work"):
        portal = portal.replace(f"async def {name}", f"def {name}").replace(f"await {name}", name)
    for name in ("number", "first"):
        portal = portal.replace(f"await fetch({name})", f"await_(fetch({name}))")
    return native, portal
