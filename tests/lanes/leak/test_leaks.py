"""Nothing grows with the number of portals: objects, references, stacks or resident memory."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys

import pytest
from support.by_hand import finish, trap
from support.resident_memory import STATM, ResidentMemory

import switchback
from switchback import (
    _engine,
    async_context,
    async_iter,
    autoawait,
    await_,
    ensure_portal,
    with_portal_run,
    with_portal_run_sync,
)

pytestmark = pytest.mark.only_under("leak", reason="takes minutes: run by scripts/leak.sh")

total_references = getattr(sys, "gettotalrefcount", lambda: 0)


def portals():
    """The portals that are alive, suspended ones among them: as many as there are stacks in use."""
    return [item for item in gc.get_objects() if type(item).__name__ == "Portal"]


def measure():
    for _ in range(3):
        gc.collect()
    return total_references(), len(gc.get_objects())


def check_flat(operation, times=200, rounds=6):
    """Fail where rounds of an operation leave more behind each time, after the first few."""
    before = None
    grown = []
    alive = len(portals())
    for _ in range(rounds):
        for _ in range(times):
            operation()
        now = measure()
        if before is not None:
            grown.append((now[0] - before[0], now[1] - before[1]))
        before = now
        del now
    # Each round is of a hundred operations or more. The few references are of the measuring itself.
    last = grown[2:]
    assert min(references for references, _ in last) <= 10, grown
    assert min(objects for _, objects in last) <= 1, grown
    assert len(portals()) == alive


# One portal, without a loop


def open_and_finish():
    finish(_engine.open_call_portal(lambda: await_(trap()), ()))


def open_and_forget():
    _engine.open_call_portal(len, ((),))


def suspend_and_close():
    portal = _engine.open_call_portal(lambda: await_(trap()), ())
    portal.send(None)
    portal.close()


def suspend_and_drop():
    _engine.open_call_portal(lambda: await_(trap()), ()).send(None)


def suspend_and_drop_in_a_cycle():
    # One that does not go through the stack, whose references cannot be visited.
    box = []
    box.append(_engine.open_call_portal(lambda: await_(trap()), ()))
    box[0].send(None)
    box.append(box)


def suspend_and_throw():
    portal = _engine.open_call_portal(lambda: await_(trap()), ())
    portal.send(None)
    with contextlib.suppress(KeyError):
        portal.throw(KeyError("thrown"))


def raise_from_a_portal():
    def fail():
        try:
            raise KeyError
        except KeyError:
            await_(trap())
            raise ValueError from None

    with contextlib.suppress(ValueError):
        finish(_engine.open_call_portal(fail, ()))


def around_a_coroutine():
    async def coroutine():
        return await trap()

    finish(_engine.open_portal(coroutine()))
    portal = _engine.open_portal(coroutine())
    portal.send(None)
    portal.cr_await
    portal.close()


def deep():
    def recurse(levels):
        return recurse(levels - 1) if levels else await_(trap())

    finish(_engine.open_call_portal(recurse, (200,)))


def in_contexts_of_their_own():
    variable = contextvars.ContextVar("variable")

    def sync():
        contextvars.copy_context().run(lambda: (variable.set(object()), await_(trap())))

    portal = _engine.open_call_portal(sync, ())
    for _ in range(2):
        with contextlib.suppress(StopIteration):
            contextvars.copy_context().run(portal.send, None)


def refused():
    async def coroutine():
        await trap()

    with contextlib.suppress(switchback.NoPortalError):
        await_(coroutine())
    with contextlib.suppress(TypeError):
        await_(1)
    portal = _engine.open_call_portal(len, ())
    with contextlib.suppress(TypeError):
        portal.send(1)
    portal.close()
    with contextlib.suppress(RuntimeError):
        portal.send(None)


def keep_the_base_frame():
    if hasattr(sys, "gettotalrefcount"):
        pytest.skip("a debug build asserts that no C code gets at an incomplete frame")
    finish(_engine.open_call_portal(sys._getframe, ()))


def recursion_error():
    def recurse():
        recurse()

    with contextlib.suppress(RecursionError):
        finish(_engine.open_call_portal(recurse, ()))


@pytest.mark.parametrize(
    "operation",
    [
        open_and_finish,
        open_and_forget,
        suspend_and_close,
        suspend_and_drop,
        suspend_and_drop_in_a_cycle,
        suspend_and_throw,
        raise_from_a_portal,
        around_a_coroutine,
        deep,
        in_contexts_of_their_own,
        refused,
        keep_the_base_frame,
        recursion_error,
    ],
    ids=lambda operation: operation.__name__,
)
def test_without_a_loop(operation):
    check_flat(operation)


# In tasks


@contextlib.asynccontextmanager
async def context(library):
    await library.checkpoint()
    yield 1
    await library.checkpoint()


async def count(library):
    for number in range(3):
        await library.checkpoint()
        yield number


def wait(library):
    await_(library.checkpoint())
    return 1


async def ensured(library):
    await ensure_portal()
    wait(library)


async def run_sync(library):
    await with_portal_run_sync(wait, library)


async def run_async(library):
    async def inner():
        wait(library)

    await with_portal_run(inner)


async def failing(library):
    def fail():
        await_(library.checkpoint())
        raise KeyError

    with contextlib.suppress(KeyError):
        await with_portal_run_sync(fail)


async def with_helpers(library):
    def sync():
        with async_context(context(library)) as value:
            assert value == 1
        assert list(async_iter(count(library))) == [0, 1, 2]
        autoawait(library.checkpoint)()

    await with_portal_run_sync(sync)


async def in_tasks(library):
    async def child():
        await ensured(library)

    await library.gather(child, child, child)


async def without_a_portal(library):
    try:
        wait(library)
    except switchback.NoPortalError:
        pass
    else:
        raise AssertionError("await_() has worked without a portal")


@pytest.mark.parametrize(
    "operation",
    [ensured, run_sync, run_async, failing, with_helpers, in_tasks, without_a_portal],
    ids=lambda operation: operation.__name__,
)
def test_in_a_task(operation, library):
    async def main():
        for _ in range(50):
            await library.gather(lambda: operation(library))

    check_flat(lambda: library.run(main), times=2, rounds=8)


def test_cancelled_tasks(asyncio_library):
    async def main():
        async def child():
            await ensure_portal()
            await_(asyncio.sleep(1000))

        tasks = [asyncio.ensure_future(child()) for _ in range(50)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    check_flat(lambda: asyncio_library.run(main), times=2, rounds=8)


def test_cancelled_trio_tasks(trio_library):
    import trio.testing

    async def main():
        async def child():
            await ensure_portal()
            await_(trio.sleep_forever())

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(child)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    check_flat(lambda: trio_library.run(main), times=2, rounds=8)


# Resident memory


PORTALS = 100_000
BATCH = 1000
#: Far below one page, or one object, for each portal.
MOST_GROWTH = BATCH * 16

needs_proc = pytest.mark.skipif(not STATM.exists(), reason="reads /proc")


def check_resident_memory(run_batch):
    for _ in range(10):
        run_batch()
    alive = len(portals())
    memory = ResidentMemory()
    for _ in range(PORTALS // BATCH):
        run_batch()
        memory.read()
    memory.check(MOST_GROWTH)
    assert len(portals()) == alive


@needs_proc
def test_resident_memory_of_portals_that_finish():
    check_resident_memory(lambda: [open_and_finish() for _ in range(BATCH)])


@needs_proc
@pytest.mark.parametrize("end", ["close", "drop", "finish"])
def test_resident_memory_of_portals_suspended_at_once(end):
    def run_batch():
        suspended = [_engine.open_call_portal(lambda: await_(trap()), ()) for _ in range(BATCH)]
        for portal in suspended:
            portal.send(None)
        for portal in suspended:
            if end == "close":
                portal.close()
            elif end == "finish":
                finish(portal)

    check_resident_memory(run_batch)


@needs_proc
def test_resident_memory_of_tasks(library):

    def run_batch():
        async def main():
            async def child():
                await ensure_portal()
                wait(library)

            for _ in range(4):
                await library.gather(*[child] * (BATCH // 4))

        library.run(main)

    check_resident_memory(run_batch)
