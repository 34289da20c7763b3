"""One job by each of the ways that a user has; answers requests on standard input, as JSON.

The job: under a running event loop, a synchronous function is called that needs the result of an
async operation, which suspends once. A bridge has two parts: how async code calls the synchronous
function (`enter`), and how that one gets the result (`call`).

Requests: ["jobs", n] for n jobs one after another, ["awaits", n] for one job that needs n results,
["at once", n] for n jobs in tasks of their own, all of which have to be suspended before the first
one may go on.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import memory

#: How many jobs may be suspended at once: the ways through threads need as many threads.
THREADS = 1000

Operation = Callable[[], Awaitable[int]]
Job = Callable[[], Any]


class Bridge(NamedTuple):
    enter: Callable[[Job], Awaitable[Any]]
    call: Callable[[Operation], int]


def portal(name: str) -> Bridge:
    library = importlib.import_module(name)
    await_ = library.await_
    return Bridge(library.with_portal_run_sync, lambda operation: await_(operation()))


def switchback() -> Bridge:
    return portal("switchback")


def greenback() -> Bridge:
    return portal("greenback")


def sqlalchemy() -> Bridge:
    from sqlalchemy.util import await_only, greenlet_spawn

    return Bridge(greenlet_spawn, lambda operation: await_only(operation()))


def asgiref() -> Bridge:
    from asgiref.sync import async_to_sync, sync_to_async

    executor = ThreadPoolExecutor(THREADS)

    def enter(job: Job) -> Awaitable[Any]:
        return sync_to_async(job, thread_sensitive=False, executor=executor)()

    return Bridge(enter, lambda operation: async_to_sync(operation)())


def anyio() -> Bridge:
    from anyio import CapacityLimiter, from_thread, to_thread

    limiter: CapacityLimiter | None = None

    def enter(job: Job) -> Awaitable[Any]:
        nonlocal limiter
        limiter = limiter or CapacityLimiter(THREADS)
        return to_thread.run_sync(job, limiter=limiter)

    return Bridge(enter, from_thread.run)


def threadsafe() -> Bridge:
    executor = ThreadPoolExecutor(THREADS)
    loop: asyncio.AbstractEventLoop | None = None

    def enter(job: Job) -> Awaitable[Any]:
        nonlocal loop
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(executor, job)

    def call(operation: Operation) -> int:
        assert loop is not None
        return asyncio.run_coroutine_threadsafe(operation(), loop).result()  # type: ignore[arg-type]

    return Bridge(enter, call)


def nest_asyncio() -> Bridge:
    import nest_asyncio

    nest_asyncio.apply()

    async def enter(job: Job) -> Any:
        return job()

    return Bridge(
        enter, lambda operation: asyncio.get_running_loop().run_until_complete(operation())
    )


class Gate:
    """Where `count` operations wait for each other."""

    def __init__(self, count: int, event: Any) -> None:
        self.count = count
        self.event = event
        self.arrived = 0
        self.memory: dict[str, int] = {}

    def arrive(self) -> None:
        self.arrived += 1
        if self.arrived == self.count:
            self.memory = memory.resident()
            self.event.set()


async def operation() -> int:
    await asyncio.sleep(0)
    return 1


class Asyncio:
    """The requests, by a bridge on asyncio; without one, in async functions throughout."""

    def __init__(self, bridge: Bridge | None) -> None:
        self.bridge = bridge
        self.runner = asyncio.Runner()

    def run(self, request: str, count: int) -> dict[str, Any]:
        return self.runner.run(self._run(request, count))

    async def _run(self, request: str, count: int) -> dict[str, Any]:
        if request == "at once":
            return await self.at_once(count)
        if request == "jobs":
            measured = self.jobs if self.bridge else self.native_jobs
        else:
            measured = self.awaits if self.bridge else self.native_awaits
        clocks = time.perf_counter(), time.process_time()
        await measured(count)
        return passed(*clocks)

    async def jobs(self, count: int) -> None:
        assert self.bridge is not None
        enter, call = self.bridge

        def job() -> int:
            return call(operation)

        for _ in range(count):
            await enter(job)

    async def native_jobs(self, count: int) -> None:
        async def job() -> int:
            return await operation()

        for _ in range(count):
            await job()

    async def awaits(self, count: int) -> None:
        assert self.bridge is not None
        enter, call = self.bridge

        def job() -> None:
            for _ in range(count):
                call(operation)

        await enter(job)

    async def native_awaits(self, count: int) -> None:
        async def job() -> None:
            for _ in range(count):
                await operation()

        await job()

    async def at_once(self, count: int) -> dict[str, Any]:
        gate = Gate(count, asyncio.Event())

        async def meet() -> int:
            gate.arrive()
            await gate.event.wait()
            return 1

        if self.bridge is None:

            async def task() -> int:
                return await meet()
        else:
            enter, call = self.bridge

            def job() -> int:
                return call(meet)

            async def task() -> int:
                result: int = await enter(job)
                return result

        before = memory.resident()
        clocks = time.perf_counter(), time.process_time()
        tasks = [asyncio.create_task(task()) for _ in range(count)]
        try:
            await asyncio.wait_for(asyncio.gather(*tasks), 10)
        except Exception as error:
            return {"failed": type(error).__name__, "arrived": gate.arrived}
        return {
            **passed(*clocks),
            "each": {name: (gate.memory[name] - before[name]) / count for name in before},
        }


class Gevent:
    """The same requests in a program that is written for gevent: its hub, its operations."""

    def run(self, request: str, count: int) -> dict[str, Any]:
        import gevent
        from gevent.event import Event

        def operation() -> int:
            gevent.sleep(0)
            return 1

        def job() -> int:
            return operation()

        before = memory.resident()
        clocks = time.perf_counter(), time.process_time()
        if request == "at once":
            gate = Gate(count, Event())

            def meet() -> None:
                gate.arrive()
                gate.event.wait()

            gevent.joinall([gevent.spawn(meet) for _ in range(count)])
            each = {name: (gate.memory[name] - before[name]) / count for name in before}
            return {**passed(*clocks), "each": each}
        for _ in range(count):
            job()
        return passed(*clocks)


def passed(wall: float, cpu: float) -> dict[str, float]:
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


BRIDGES: dict[str, Callable[[], Bridge]] = {
    "switchback": switchback,
    "greenback": greenback,
    "sqlalchemy": sqlalchemy,
    "asgiref": asgiref,
    "anyio": anyio,
    "threadsafe": threadsafe,
    "nest_asyncio": nest_asyncio,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bridge", choices=("native", *BRIDGES, "gevent"))
    name = parser.parse_args().bridge
    program: Asyncio | Gevent
    try:
        if name == "gevent":
            importlib.import_module("gevent")
            program = Gevent()
        else:
            program = Asyncio(BRIDGES[name]() if name in BRIDGES else None)
    except ModuleNotFoundError as error:
        print(json.dumps({"missing": error.name}), flush=True)
        return
    print(json.dumps({"ready": name}), flush=True)
    for line in sys.stdin:
        request, count = json.loads(line)
        gc.collect()
        gc.disable()
        print(json.dumps(program.run(request, count)), flush=True)
        gc.enable()


if __name__ == "__main__":
    main()
