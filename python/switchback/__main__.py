"""Says what there is here, for reports of faults: ``python -m switchback``.

``python -m switchback inspect PID`` prints what the portals of another process wait in.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib import metadata

import switchback
from switchback import _engine, _remote, await_, settings, with_portal_run_sync

#: What portals may work with, whose versions tell something.
PACKAGES = ("greenlet", "greenback", "trio", "anyio", "uvloop", "gevent", "eventlet", "sniffio")


def main() -> int:
    """Print what there is, and try it. Return an exit code: 0 if all of it works."""
    if sys.argv[1:2] == ["inspect"]:
        return _remote.main(sys.argv[2:])
    for title, text in facts():
        print(f"{title + ':':<12} {text}")
    failures = 0
    for title, test in SELF_TESTS.items():
        try:
            test()
            outcome = "ok"
        except Exception as error:
            outcome = f"FAILED: {type(error).__name__}: {error}"
            failures += 1
        print(f"{title + ':':<12} {outcome}")
    return failures != 0


def facts() -> Iterator[tuple[str, str]]:
    """Yield titles with what there is to say."""
    yield "switchback", f"{switchback.__version__}, {_engine.__file__}"
    debug = ", debug build" if sysconfig.get_config_var("Py_DEBUG") else ""
    yield "python", f"{platform.python_version()}{debug}, {sys.executable}"
    yield "system", f"{platform.platform()}, {os.cpu_count()} processors"
    yield "backend", backend()
    stacks = f"{settings.stack_size:,} bytes of address space each, {_engine.live_stacks()} now"
    yield "stacks", stacks
    for name in PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for name, value in sorted(os.environ.items()):
        if name.startswith("SWITCHBACK_"):
            yield name, value


def backend() -> str:
    """Return which backend a portal would have here, and why."""
    name, why = switchback.backend_in_use()
    return f"{name}: {why}"


def try_one_await() -> None:
    """Await from a synchronous function, through a C function, in two tasks in turns."""

    async def answer(number: int) -> int:
        await asyncio.sleep(0)
        return number

    def work(first: int) -> list[int]:
        return sorted([first, first + 1], key=lambda number: -await_(answer(number)))

    async def run() -> list[list[int]]:
        return await asyncio.gather(*(with_portal_run_sync(work, number) for number in (1, 3)))

    found = asyncio.run(run())
    if found != [[2, 1], [4, 3]]:
        raise AssertionError(f"unexpected: {found}")


def try_a_deep_call() -> None:
    """Recurse in a portal as far as the interpreter lets a thread."""

    def deep(left: int) -> int:
        return deep(left - 1) + 1 if left else await_(asyncio.sleep(0, 0))

    depth = sys.getrecursionlimit() // 2
    if asyncio.run(with_portal_run_sync(deep, depth)) != depth:
        raise AssertionError("a deep call returned something else")


SELF_TESTS: dict[str, Callable[[], None]] = {
    "await_()": try_one_await,
    "a deep call": try_a_deep_call,
}

if __name__ == "__main__":
    sys.exit(main())
