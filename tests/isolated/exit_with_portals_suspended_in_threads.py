"""The process ends while daemon threads run loops with suspended portals, and while one steps."""

# mark: threads

import asyncio
import threading
import time

from switchback import await_, ensure_portal


def wait_for_ever():
    try:
        await_(asyncio.sleep(1000))
    finally:
        await_(asyncio.sleep(0))


def never_stop():
    while True:
        await_(asyncio.sleep(0))


def block():
    await_(asyncio.sleep(0))
    time.sleep(1000)


async def call(function):
    await ensure_portal()
    function()


async def main(*functions):
    await asyncio.gather(*[call(function) for function in functions])


def run(*functions):
    asyncio.run(main(*functions))


for functions in [(wait_for_ever,) * 5, (never_stop, wait_for_ever), (block, wait_for_ever)]:
    threading.Thread(target=run, args=functions, daemon=True).start()
    time.sleep(0.1)
print("end of main")
