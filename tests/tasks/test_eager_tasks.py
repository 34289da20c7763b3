"""Portals in the step of an eager task that runs before the task is known."""

from __future__ import annotations

import asyncio
import asyncio.tasks

import pytest

from switchback import (
    NoPortalError,
    await_,
    ensure_portal,
    has_portal,
    with_portal_run,
    with_portal_run_sync,
)

pytestmark = pytest.mark.minor(since="3.12", reason="eager tasks are new in 3.12")


def _run_eagerly(main):
    async def with_eager_tasks():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        return await main()

    return asyncio.run(with_eager_tasks())


def test_ensure_portal_inside_the_eager_step():
    async def child():
        await ensure_portal()
        await_(asyncio.sleep(0))
        return has_portal()

    async def main():
        return await asyncio.gather(child(), child())

    assert _run_eagerly(main) == [True, True]


def test_with_portal_run_inside_the_eager_step():
    async def work():
        await_(asyncio.sleep(0))
        return 1

    async def no_suspension():
        return 2

    async def main():
        first = asyncio.create_task(with_portal_run(work))
        second = asyncio.create_task(with_portal_run_sync(await_, no_suspension()))
        assert second.done()
        return await first + await second

    assert _run_eagerly(main) == 3


def test_an_eager_child_of_sync_code_in_a_portal_has_no_portal():
    async def child():
        with pytest.raises(NoPortalError, match="none"):
            await_(asyncio.sleep(0))
        assert not has_portal()
        await asyncio.sleep(0)
        with pytest.raises(NoPortalError, match="none"):
            await_(asyncio.sleep(0))
        await ensure_portal()
        await_(asyncio.sleep(0))
        return "done"

    def sync():
        task = asyncio.create_task(child())
        assert has_portal()
        await_(asyncio.sleep(0))
        return await_(task)

    async def main():
        parent = asyncio.current_task()
        result = await with_portal_run_sync(sync)
        assert asyncio.current_task() is parent
        return result

    assert _run_eagerly(main) == "done"


def test_an_eager_child_may_open_a_portal_inside_of_its_parents():
    async def work():
        await_(asyncio.sleep(0))
        await_(asyncio.sleep(0))
        return 5

    def sync():
        tasks = [asyncio.create_task(with_portal_run(work)) for _ in range(3)]
        await_(asyncio.sleep(0))
        return [await_(task) for task in tasks]

    async def main():
        return await with_portal_run_sync(sync)

    assert _run_eagerly(main) == [5, 5, 5]
