"""A portal looks like a coroutine and refuses what one refuses."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import collections.abc
import inspect

import pytest
from support.by_hand import trap

import switchback
from switchback import (
    await_,
    ensure_portal,
    with_portal_run,
    with_portal_run_sync,
)


def open_example():
    async def example():
        await trap(1)

    return switchback._engine.open_portal(example())


def test_with_portal_run_returns_coroutines():
    async def nothing():
        pass

    for coroutine in (with_portal_run(nothing), with_portal_run_sync(print)):
        assert inspect.iscoroutine(coroutine)
        assert inspect.isawaitable(coroutine)
        coroutine.close()
    for function in (
        with_portal_run,
        with_portal_run_sync,
        ensure_portal,
        switchback.with_portal_run_tree,
    ):
        assert inspect.iscoroutinefunction(function)
    decorated = switchback.decorate_as_sync(lambda function: function)(nothing)
    assert inspect.iscoroutinefunction(decorated)


def test_a_portal_is_a_coroutine_for_the_abcs_and_for_asyncio():
    portal = open_example()
    assert isinstance(portal, collections.abc.Coroutine)
    assert isinstance(portal, collections.abc.Awaitable)
    assert asyncio.iscoroutine(portal)
    assert inspect.isawaitable(portal)
    portal.close()


def test_getcoroutinestate_of_a_portal():
    def sync():
        states.append(inspect.getcoroutinestate(portal))
        await_(trap(1))

    async def example():
        sync()
        await trap(2)

    states = []
    portal = switchback._engine.open_portal(example())
    assert inspect.getcoroutinestate(portal) == inspect.CORO_CREATED
    portal.send(None)
    assert states == [inspect.CORO_RUNNING]
    assert inspect.getcoroutinestate(portal) == inspect.CORO_SUSPENDED
    portal.send(None)
    assert inspect.getcoroutinestate(portal) == inspect.CORO_SUSPENDED
    with pytest.raises(StopIteration):
        portal.send(None)
    assert inspect.getcoroutinestate(portal) == inspect.CORO_CLOSED


def test_a_portal_refuses_what_a_coroutine_refuses():
    async def example():
        with pytest.raises(ValueError, match="already executing"):
            portal.send(None)
        with pytest.raises(ValueError, match="already executing"):
            portal.close()
        await_(trap(1))

    portal = switchback._engine.open_portal(example())
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        portal.send(1)
    assert portal.send(None) == 1
    with pytest.raises(StopIteration):
        portal.send(None)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        portal.send(None)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        portal.throw(ValueError)
    portal.close()


def test_throw_takes_what_a_coroutine_takes():
    class Error(Exception):
        pass

    def sync():
        caught = []
        for _ in range(3):
            try:
                await_(trap(None))
            except Error as error:
                caught.append(error.args)
        return caught

    portal = switchback._engine.open_call_portal(sync, ())
    portal.send(None)
    with pytest.raises(TypeError):
        portal.throw(1)
    portal.throw(Error(1))
    portal.throw(Error)
    with pytest.raises(StopIteration) as stop:
        portal.throw(Error(3))
    assert stop.value.value == [(1,), (), (3,)]
