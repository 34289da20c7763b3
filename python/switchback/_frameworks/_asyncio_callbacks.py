"""asyncio: callbacks of an event loop that may await, each call in a task of its own."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Callable, Generator
from contextvars import copy_context
from typing import Any

from .. import _engine

# A loop holds its tasks by weak references only.
_running: set[asyncio.Task[Any]] = set()


def call_in_task(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> None:
    """Call a function in a portal, in a task of its own whose first step is taken at once."""
    loop = asyncio.get_running_loop()
    task = _begun(loop, _engine.open_call_portal(function, args, kwargs))
    if task.done():
        _report(task, function)
        return
    _running.add(task)
    task.add_done_callback(lambda task: _report(task, function))


def _report(task: asyncio.Task[Any], function: Callable[..., Any]) -> None:
    _running.discard(task)
    if task.cancelled() or (error := task.exception()) is None:
        return
    # As of a callback that raises.
    name = getattr(function, "__qualname__", repr(function))
    context = {"message": f"Exception in callback {name}", "exception": error, "task": task}
    task.get_loop().call_exception_handler(context)


if sys.version_info >= (3, 12):

    def _begun(loop: asyncio.AbstractEventLoop, portal: Any) -> asyncio.Task[Any]:
        return asyncio.Task(portal, loop=loop, eager_start=True)

else:

    def _begun(loop: asyncio.AbstractEventLoop, portal: Any) -> asyncio.Task[Any]:
        outcome: list[Any] = []
        context = copy_context()
        rest = _rest_of(portal, outcome)
        task: asyncio.Task[Any] = asyncio.Task(rest, loop=loop, context=context)
        outer = asyncio.current_task()
        if outer is not None:
            asyncio.tasks._leave_task(loop, outer)
        asyncio.tasks._enter_task(loop, task)
        try:
            outcome += ["trap", context.run(portal.send, None)]
        except StopIteration as stop:
            outcome += ["result", stop.value]
        except BaseException as error:
            outcome += ["error", error]
        finally:
            asyncio.tasks._leave_task(loop, task)
            if outer is not None:
                asyncio.tasks._enter_task(loop, outer)
        return task

    @types.coroutine
    def _rest_of(portal: Any, outcome: list[Any]) -> Generator[Any, Any, Any]:
        """Go on with a portal whose first step has been taken already."""
        kind, found = outcome
        if kind == "result":
            return found
        if kind == "error":
            raise found
        while True:
            try:
                answer = yield found
            except GeneratorExit:
                portal.close()
                raise
            except BaseException as error:
                step, argument = portal.throw, error
            else:
                step, argument = portal.send, answer
            try:
                found = step(argument)
            except StopIteration as stop:
                return stop.value
