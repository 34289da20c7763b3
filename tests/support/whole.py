"""What programs do whose tasks all have a portal: the ways by which they create tasks."""

import asyncio
import contextvars
import sys

import pytest

from switchback import await_, has_portal


async def has_one():
    """Await at once, as a task with a portal can in its first step."""
    assert has_portal()
    return await_(asyncio.sleep(0, True))


async def may_have_one():
    await asyncio.sleep(0)
    return has_portal()


class Sub(asyncio.Task):
    pass


class SubWithInit(asyncio.Task):
    def __init__(self, coro, **options):
        super().__init__(coro, **options)


def ways_to_create():
    """By their names, functions of a loop and a coroutine that return a task."""
    ways = {
        "create_task": lambda loop, coro: asyncio.create_task(coro),
        "loop.create_task": lambda loop, coro: loop.create_task(coro),
        "ensure_future": lambda loop, coro: asyncio.ensure_future(coro, loop=loop),
        "gather": lambda loop, coro: asyncio.gather(coro),
        "shield": lambda loop, coro: asyncio.shield(coro),
        "context": lambda loop, coro: loop.create_task(coro, context=contextvars.Context()),
        "by hand": lambda loop, coro: asyncio.Task(coro, loop=loop),
        "by hand, the running loop": lambda loop, coro: asyncio.Task(coro),
        "by hand, by keyword": lambda loop, coro: asyncio.Task(coro=coro, loop=loop),
        "a subclass": lambda loop, coro: Sub(coro, loop=loop),
        "a subclass with __init__": lambda loop, coro: SubWithInit(coro, loop=loop),
        "a new subclass": lambda loop, coro: type("New", (asyncio.Task,), {})(coro, loop=loop),
        "in Python": lambda loop, coro: asyncio.tasks._PyTask(coro, loop=loop),
    }
    if sys.version_info >= (3, 12):
        ways["eager"] = lambda loop, coro: asyncio.Task(coro, loop=loop, eager_start=True)
        ways["eager, in Python"] = lambda loop, coro: asyncio.tasks._PyTask(
            coro, loop=loop, eager_start=True
        )
    return ways


def new_event_loop(name):
    if name == "uvloop":
        return pytest.importorskip("uvloop").new_event_loop()
    return asyncio.new_event_loop()
