"""A thousand operations leave no objects, references or memory behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import mmap
import sys

import pytest
from support import conditions
from support.by_hand import suspended, trap
from support.resident_memory import ResidentMemory, trend

import switchback
from switchback import _engine, await_, ensure_portal, with_portal_run, with_portal_run_sync

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


async def _async_value(value):
    await asyncio.sleep(0)
    return value


async def _raise():
    await asyncio.sleep(0)
    raise KeyError


def _caught():
    with contextlib.suppress(KeyError):
        await_(_raise())


async def _task_with_portal():
    await ensure_portal()
    await_(asyncio.sleep(0))


async def _cancelled_task():
    task = asyncio.create_task(_task_with_long_wait())
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _task_with_long_wait():
    await ensure_portal()
    await_(asyncio.sleep(100))


async def _refused():
    with contextlib.suppress(switchback.NoPortalError):
        await_(_async_value(1))


async def _dropped():
    suspended(lambda: await_(trap()))


async def _bad_awaitable():
    await with_portal_run_sync(_await_a_number)


def _await_a_number():
    with contextlib.suppress(TypeError):
        await_(42)


OPERATIONS = {
    "with_portal_run": lambda: with_portal_run(_async_value, object()),
    "with_portal_run_sync": lambda: with_portal_run_sync(lambda: await_(_async_value(object()))),
    "keywords": lambda: with_portal_run_sync(lambda **kwargs: kwargs, a=object()),
    "exception": lambda: with_portal_run_sync(_caught),
    "task": lambda: asyncio.create_task(_task_with_portal()),
    "cancelled task": lambda: _cancelled_task(),
    "refused": lambda: _refused(),
    "dropped": lambda: _dropped(),
    "bad awaitable": lambda: _bad_awaitable(),
    "never started": lambda: _closed(),
}


async def _closed():
    _engine.open_call_portal(print, (object(),), {"end": object()}).close()


ROUNDS = 10
TIMES = 100


async def check_nothing_is_left_behind(operation):
    """Run an operation a thousand times; look at what there is before, after and in between."""
    watched = [_async_value, _engine.Portal, trap, _raise, asyncio.sleep]
    memory = ResidentMemory()
    for _ in range(50):
        await operation()
    gc.collect()
    objects, blocks = len(gc.get_objects()), sys.getallocatedblocks()
    references = [sys.getrefcount(one) for one in watched]
    for _ in range(ROUNDS):
        for _ in range(TIMES):
            await operation()
        if not conditions.UNDER & {"asan", "asan-greenlet"}:  # which hold freed memory back
            memory.read()
    gc.collect()
    objects, blocks = len(gc.get_objects()) - objects, sys.getallocatedblocks() - blocks
    assert objects < 100
    assert blocks < 500
    grown = [sys.getrefcount(one) - old for one, old in zip(watched, references, strict=True)]
    assert max(grown) < 100
    if memory:
        memory.check(most_each_round=TIMES * 128)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_thousand_operations_leave_nothing_behind(operation, asyncio_library):
    asyncio_library.run(check_nothing_is_left_behind, operation)


# The detector


class Small:
    """As little as an object can be."""

    __slots__ = ()


def leak_an_object():
    leaked.append(Small())


def leak_a_reference():
    leaked.append(trap)


def leak_a_page_of_c():
    # The C library knows of it, and Python does not.
    size = mmap.PAGESIZE
    library.memset(library.malloc(size), 1, size)


leaked = []
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = [ctypes.c_size_t]
library.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


@pytest.mark.not_under("leak", reason="leaks on purpose")
@pytest.mark.not_under("asan", "asan-greenlet", reason="resident memory is not looked at there")
@pytest.mark.parametrize("leak", [leak_an_object, leak_a_reference, leak_a_page_of_c])
def test_a_leak_is_found(leak):
    async def operation():
        leak()

    with pytest.raises(AssertionError):
        asyncio.run(check_nothing_is_left_behind(operation))
    leaked.clear()


@pytest.mark.parametrize("at", range(1, 10))
def test_a_single_jump_is_no_leak(at):
    assert trend([0] * at + [768 * 4096] * (10 - at)) == 0


def test_a_leak_is_found_beside_a_jump():
    assert trend([n * 100 - (n > 5) * 768 * 4096 for n in range(10)]) == 100
