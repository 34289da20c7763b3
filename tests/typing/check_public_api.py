"""What type checkers make of the public functions; checked by mypy, never run."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, assert_type

import switchback


async def fetch(key: int, *, retries: int = 3) -> str:
    return str(key + retries)


def compute(a: int, b: str = "") -> float:
    return float(a) + len(b)


@asynccontextmanager
async def connection() -> AsyncIterator[bytes]:
    yield b""


async def numbers() -> AsyncIterator[int]:
    yield 1


def calls() -> None:
    assert_type(switchback.exclusive(compute)(1, b="x"), float)
    switchback.exclusive(compute)("1")  # type: ignore[arg-type]
    alone = switchback.exclusive()
    assert_type(alone, switchback.Exclusive)
    assert_type(alone(compute)(1), float)
    with alone, switchback.no_await():
        pass


async def portals() -> None:
    assert_type(await switchback.with_portal_run(fetch, 1, retries=2), str)
    assert_type(await switchback.with_portal_run_sync(compute, 1, b="x"), float)
    assert_type(await switchback.with_portal_run_tree(fetch, 1), str)
    await switchback.with_portal_run(fetch, "1")  # type: ignore[arg-type]
    await switchback.with_portal_run_sync(compute, 1, c=2)  # type: ignore[call-arg]
    await switchback.ensure_portal()
    task = asyncio.current_task()
    switchback.bestow_portal(task)
    assert_type(switchback.has_portal(task), bool)
    assert_type(switchback.has_portal(), bool)
    async with switchback.portals_for_tree():
        pass


def awaits(future: asyncio.Future[int], task: asyncio.Task[str]) -> None:
    assert_type(switchback.await_(fetch(1)), str)
    assert_type(switchback.await_(future), int)
    assert_type(switchback.await_(task), str)
    switchback.await_(42)  # type: ignore[arg-type]


def helpers() -> None:
    sync_fetch = switchback.autoawait(fetch)
    assert_type(sync_fetch(1, retries=2), str)
    sync_fetch("1")  # type: ignore[arg-type]
    with switchback.async_context(connection()) as value:
        assert_type(value, bytes)
    for number in switchback.async_iter(numbers()):
        assert_type(number, int)


def twice(fn: Callable[[int], str]) -> Callable[[int], tuple[str, str]]:
    return lambda n: (fn(n), fn(n))


@switchback.decorate_as_sync(twice)
async def one_argument(n: int) -> str:
    return str(n)


@switchback.decorate_as_sync(functools.lru_cache(maxsize=8))
async def cached(n: int) -> str:
    return str(n)


async def decorated() -> None:
    coroutine: Coroutine[Any, Any, tuple[str, str]] = one_argument(1)
    assert_type(await coroutine, tuple[str, str])


def greenback() -> None:
    assert_type(switchback.install_as_greenback(), None)
    error: RuntimeError = switchback.NoPortalError("no portal")
    raise error


def settings() -> None:
    assert_type(switchback.settings.backend, str)
    assert_type(switchback.settings.stack_size, int)
    switchback.settings.backend = "native"
    switchback.settings.stack_size = 1 << 20
    switchback.settings.stack_size = "1 MiB"  # type: ignore[assignment]
    switchback.settings.back_end = "native"  # type: ignore[attr-defined]
    switchback.settings.back_end  # type: ignore[attr-defined]
    switchback.backend = "native"  # type: ignore[attr-defined]


async def number() -> int:
    return 1


def programs() -> None:
    assert_type(switchback.run(number()), int)
    assert_type(switchback.trio_run(number), int)
    with switchback.Runner(debug=True) as runner:
        assert_type(runner.run(number()), int)
        switchback.enable(runner.get_loop())
    switchback.disable()
    switchback.patch_asyncio()
    switchback.run(number)  # type: ignore[arg-type]

    @switchback.callback
    def note(text: str) -> int:
        return len(text)

    note("text")
    note(1)  # type: ignore[arg-type]


class FrameworkWithoutTrees:
    name = "mine"

    def current_task(self) -> object | None:
        return None

    def is_task(self, candidate: object) -> bool:
        return False

    def check_replaceable(self, task: object) -> None:
        pass

    def get_coroutine(self, task: object) -> Coroutine[Any, Any, Any]:
        raise NotImplementedError

    def set_coroutine(self, task: object, coroutine: Coroutine[Any, Any, Any]) -> None:
        pass

    async def checkpoint(self) -> None:
        pass


def framework() -> None:
    switchback.register_framework(FrameworkWithoutTrees())
    switchback.register_framework(object())  # type: ignore[arg-type]
