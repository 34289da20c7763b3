"""The event loops that tests run on, behind one interface."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

if sys.version_info >= (3, 14) and hasattr(asyncio.tasks, "_c_enter_task"):
    # Else a task written in Python is known to functions written in Python only, and neither
    # asyncio.current_task() nor asyncio.all_tasks() is.
    for _name in vars(asyncio.tasks).copy():
        if _name.startswith("_c_") and _name.endswith("_task"):
            setattr(asyncio.tasks, f"_py_{_name[3:]}", getattr(asyncio.tasks, _name))


@contextlib.contextmanager
def without_running_loop() -> Iterator[None]:
    """asyncio refuses to run a loop in a loop; who insists hides the outer one and its task."""
    loop = asyncio._get_running_loop()
    task = asyncio.current_task(loop) if sys.version_info >= (3, 14) and loop else None
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)


class AsyncioLibrary:
    """asyncio, on a loop and with a type of task that are given."""

    name = "asyncio"

    def __init__(self, new_event_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._new_event_loop = new_event_loop

    def run(self, async_fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run ``await async_fn(*args)`` as the main task of a new event loop."""

        async def main() -> Any:
            return await async_fn(*args)

        with asyncio.Runner(loop_factory=self._new_event_loop) as runner:
            return runner.run(main())

    async def checkpoint(self) -> None:
        await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def event(self) -> asyncio.Event:
        return asyncio.Event()

    def current_task(self) -> Any:
        return asyncio.current_task()

    async def gather(self, *async_fns: Callable[[], Awaitable[Any]]) -> list[Any]:
        """Run each in a task of its own; return their results in the order of the arguments.

        Raises an ExceptionGroup where any of them raises.
        """

        async def call(async_fn: Callable[[], Awaitable[Any]]) -> Any:
            return await async_fn()

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call(async_fn)) for async_fn in async_fns]
        return [task.result() for task in tasks]


class TrioLibrary:
    """Trio, behind the same interface."""

    name = "trio"

    def run(self, async_fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        import trio

        return trio.run(async_fn, *args)

    async def checkpoint(self) -> None:
        import trio

        await trio.lowlevel.checkpoint()

    async def sleep(self, seconds: float) -> None:
        import trio

        await trio.sleep(seconds)

    def event(self) -> Any:
        import trio

        return trio.Event()

    def current_task(self) -> Any:
        import trio

        return trio.lowlevel.current_task()

    async def gather(self, *async_fns: Callable[[], Awaitable[Any]]) -> list[Any]:
        import trio

        results: list[Any] = [None] * len(async_fns)

        async def call(index: int) -> None:
            results[index] = await async_fns[index]()

        async with trio.open_nursery() as nursery:
            for index in range(len(async_fns)):
                nursery.start_soon(call, index)
        return results


Library = AsyncioLibrary | TrioLibrary


def _loop_with_python_tasks() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    # asyncio.Task is the C type where there is one.
    loop.set_task_factory(lambda loop, coro, **kw: asyncio.tasks._PyTask(coro, loop=loop, **kw))
    return loop


UVLOOP = pytest.param(
    "uvloop", marks=pytest.mark.not_under("leak-debug", reason="uvloop does not count references")
)
ASYNCIO_LIBRARIES = ["asyncio", "asyncio-python-task", UVLOOP]


def make_library(name: str) -> Library:
    if name == "asyncio":
        return AsyncioLibrary(asyncio.new_event_loop)
    if name == "asyncio-python-task":
        return AsyncioLibrary(_loop_with_python_tasks)
    if name == "uvloop":
        return AsyncioLibrary(pytest.importorskip("uvloop").new_event_loop)
    pytest.importorskip("trio")
    return TrioLibrary()
