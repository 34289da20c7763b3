"""asyncio: running a coroutine wherever that is, on a loop that runs or on a new one."""

from __future__ import annotations

import asyncio
import inspect
import sys
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, NoReturn, TypeVar

from .. import _engine, _refusals
from ._asyncio_portals import disable, enable, scope_here, scopes

T = TypeVar("T")

# How many calls of run() a task is inside of. Each has a stack of its own, so that nothing else
# ends a recursion.
_depth: ContextVar[int] = ContextVar("switchback depth", default=0)

#: Runs an awaitable on a running loop where there is no portal; set while asyncio is patched.
turning: Callable[[asyncio.AbstractEventLoop, str, Any], Any] | None = None


def as_coroutine(main: Any, what: str) -> Coroutine[Any, Any, Any]:
    """Return a coroutine that awaits `main`, or raise `TypeError` if that cannot be awaited."""
    if asyncio.iscoroutine(main):
        return main
    if not inspect.isawaitable(main):
        hint = ""
        if callable(main):
            name = getattr(main, "__name__", "main")
            hint = f": it is a function, and not what it returns; call it: {name}()"
        raise TypeError(f"{what} runs a coroutine, not {type(main).__name__!r}{hint}")

    async def awaits() -> Any:
        return await main

    return awaits()


def run(
    main: Awaitable[T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    coroutine = as_coroutine(main, "switchback.run()")
    loop = asyncio._get_running_loop()
    if loop is not None:
        result: T = run_inside(loop, coroutine, "switchback.run()", cancel_leftovers=True)
        return result
    with Runner(debug=debug, loop_factory=loop_factory) as runner:
        answer: T = runner.run(coroutine)
        return answer


class Runner:
    """An `asyncio.Runner` each of whose tasks has a portal."""

    def __init__(
        self,
        *,
        debug: bool | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        self._runner = asyncio.Runner(debug=debug, loop_factory=loop_factory)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Runner:
        self._runner.__enter__()
        self.get_loop()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._runner.get_loop()
        if self._loop is None:
            enable(loop)
            self._loop = loop
        return loop

    def run(self, coro: Awaitable[T], *, context: Context | None = None) -> T:
        coroutine = as_coroutine(coro, "Runner.run()")
        try:
            self.get_loop()
        except BaseException:
            coroutine.close()
            raise
        result: T = self._runner.run(coroutine, context=context)
        return result

    def close(self) -> None:
        try:
            self._runner.close()
        finally:
            if self._loop is not None:
                disable(self._loop)
                self._loop = None


def run_inside(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any],
    what: str,
    *,
    cancel_leftovers: bool = False,
    context: Context | None = None,
) -> Any:
    """Run a coroutine as a task of the running loop, and wait for it.

    With `cancel_leftovers`, what it has started and left running is cancelled when it ends.
    """
    wait: Callable[[Awaitable[Any]], Any] = _engine.await_
    if not _engine.has_active_portal():
        if turning is None:
            coroutine.close()
            refuse(what)
        wait = partial(turning, loop, what)
    depth = _depth.get() + 1
    if depth > sys.getrecursionlimit():
        coroutine.close()
        raise RecursionError(f"{what} was called inside of {depth - 1} others")
    if context is None:
        context = copy_context()
    created: weakref.WeakSet[asyncio.Task[Any]] | None = None
    if cancel_leftovers:
        created = weakref.WeakSet()

    # What ends the program is for the caller to see, and not for the loop that runs.
    portal = _engine.open_portal(coroutine)
    _engine.keep_exit(portal)

    def begin() -> asyncio.Task[Any]:
        _depth.set(depth)
        scope_here.set(created)
        # Without `context`, which a task factory need not know: the task gets a copy of this one.
        return loop.create_task(portal)

    with scopes():
        try:
            task = context.run(begin)
        except BaseException:
            coroutine.close()
            raise
        try:
            result = wait(task)
            if (exit_ := _engine.keep_exit(portal)) is not None:
                raise exit_
            return result
        finally:
            if not task.done():  # a portal that is closed while it waits here
                task.cancel()
            if created is not None:
                created.discard(task)
                _cancel(created, wait)


def _cancel(created: weakref.WeakSet[asyncio.Task[Any]], wait: Callable[..., Any]) -> None:
    left = [task for task in created if not task.done()]
    for task in left:
        task.cancel()
    if left:
        wait(asyncio.gather(*left, return_exceptions=True))


def refuse(what: str, why: str = "") -> NoReturn:
    """Raise `NoPortalError` for what needs a portal to wait in, where there is none."""
    task = asyncio.current_task()
    who = "a callback of the event loop" if task is None else f"{task!r}"
    name = _refusals.package_name
    raise _engine.NoPortalError(
        f"{what} was called inside a running event loop, by {who}, which has no portal to wait "
        f"in. Start the program with {name}.run(main()), or call {name}.enable() once on that loop "
        f"before the task is created{why}"
    )
