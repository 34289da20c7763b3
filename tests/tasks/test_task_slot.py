"""Replacing the coroutine of a C task: found by looking, and refused where it does not fit."""

from __future__ import annotations

import asyncio

import pytest

import switchback
from switchback import _engine, await_
from switchback._frameworks import _asyncio_tasks

pytestmark = pytest.mark.skipif(
    _asyncio_tasks.C_TASK is None, reason="asyncio is without its C Task"
)


async def checkpoint():
    await asyncio.sleep(0)
    return "done"


def test_the_self_test_has_passed():
    assert isinstance(_asyncio_tasks.task_slot(), _engine.TaskSlot)


def test_without_the_slot_a_running_task_is_refused_and_a_call_still_works(monkeypatch):
    monkeypatch.setattr(_asyncio_tasks, "_slot", RuntimeError("not found"))

    async def main():
        with pytest.raises(RuntimeError, match=r"with_portal_run\(async_fn\)") as caught:
            await switchback.ensure_portal()
        assert str(caught.value.__cause__) == "not found"
        return await switchback.with_portal_run_sync(lambda: await_(checkpoint()))

    assert asyncio.run(main()) == "done"


def test_a_coroutine_that_the_task_does_not_hold_is_not_found():
    async def main():
        other = checkpoint()
        try:
            with pytest.raises(RuntimeError, match="does not hold its coroutine in any field"):
                _engine.TaskSlot(asyncio.current_task(), other)
        finally:
            other.close()

    asyncio.run(main())


def test_a_task_whose_coroutine_is_another_is_not_written_to():
    async def main():
        task = asyncio.current_task()
        other = checkpoint()
        try:
            with pytest.raises(RuntimeError, match="is not where it was found to be"):
                _asyncio_tasks.task_slot().replace(task, other, other)
        finally:
            other.close()
        assert task.get_coro().__name__ == "main"
        with pytest.raises(TypeError, match="expected a task"):
            _asyncio_tasks.task_slot().replace(object(), other, other)

    asyncio.run(main())
