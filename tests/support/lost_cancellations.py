"""Callers of callbacks that lose what these raise, and tasks that are cancelled in there."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sqlite3
import time

from switchback import await_, with_portal_run_sync

CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
LIMIT = 20  # seconds: what takes as long has lost its cancellation


def in_ctypes(function):
    """Call a function twice, by C code that knows no exceptions."""

    @CALLBACK
    def compare(first, second):
        function()
        return 0

    array = (ctypes.c_int * 2)(1, 2)
    ctypes.CDLL(None).qsort(array, 2, 4, compare)


def in_sqlite(function):
    connection = sqlite3.connect(":memory:")
    connection.create_function("wait", 0, function)
    try:
        connection.execute("select wait()").fetchall()
    finally:
        connection.close()


def in_finalizer(function):
    class Dropped:
        def __del__(self):
            function()

    Dropped()


def in_collection(function):
    class Dropped:
        def __init__(self):
            self.cycle = self

        def __del__(self):
            function()

    Dropped()
    gc.collect()


LOSES = [in_ctypes, in_finalizer, in_collection]


def wait():
    await_(asyncio.sleep(LIMIT))


def wait_with_handlers():
    """The exception passes all that may stand in its way."""
    try:
        try:
            with open("/dev/null"):
                await_(asyncio.sleep(LIMIT))
        except ValueError:
            pass
        finally:
            await_(asyncio.sleep(0))
    except BaseException:
        raise


async def cancelled_after(turns, coroutine):
    """Run a task that is cancelled after some turns of the loop, and return what it does."""
    task = asyncio.ensure_future(coroutine)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    return await task


async def cancelled_soon(sync_fn, *args):
    """Run in a portal of a task that is cancelled, and return what comes of it."""
    started = time.monotonic()
    try:
        return await cancelled_after(2, with_portal_run_sync(sync_fn, *args))
    except asyncio.CancelledError:
        return "cancelled"
    finally:
        assert time.monotonic() - started < LIMIT / 2
