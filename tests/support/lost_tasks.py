"""Tasks that wait for what nothing else refers to, natively and in a portal."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
from typing import Any

import switchback

#: What stands in the text of a case for what it is natively, and in a portal.
MARKS = {
    "@DEF": ("async def", "def"),
    "@AWAIT(": ("await (", "await_("),
    "@CALL(": ("await (", "("),
    "@FOR": ("async for", "for"),
    "@ITER(": ("(", "async_iter("),
    "@SORT(": ("await sort_natively(", "sort("),
}

#: What the task is lost in: the function `wait`, which keeps to itself what it waits for.
CASES = {
    "a future": "    @AWAIT(future())\n",
    "a future in a variable": "    f = future()\n    @AWAIT(f)\n",
    "an event": "    event = asyncio.Event()\n    @AWAIT(event.wait())\n",
    "a queue": "    @AWAIT(asyncio.Queue().get())\n",
    "a condition": """
    condition = asyncio.Condition()
    @AWAIT(condition.acquire())
    @AWAIT(condition.wait())
""",
    "a future by gather": "    @AWAIT(asyncio.gather(future(), future()))\n",
    "a future behind a shield": "    @AWAIT(asyncio.shield(future()))\n",
    "another task": """
    async def other():
        await future()
    @AWAIT(asyncio.create_task(other()))
""",
    "itself, nearly": """
    me = asyncio.current_task()
    try:
        @AWAIT(future())
    finally:
        log.append(me.done())
""",
    "functions in functions": """
    @DEF outer(here):
        mine = [here, future()]
        try:
            return @CALL(inner(mine))
        finally:
            log.append("outer")
    @DEF inner(theirs):
        try:
            return 1 + @AWAIT(theirs[1])
        finally:
            log.append("inner")
    @CALL(outer(asyncio.current_task()))
""",
    "coroutines below": """
    async def first(here):
        try:
            return await second(here)
        finally:
            log.append("first")
    async def second(here):
        try:
            await here
        finally:
            log.append("second")
    here = future()
    @AWAIT(first(here))
""",
    "a function in a coroutine below": """
    async def below(here):
        try:
            return @CALL(bottom(here))
        finally:
            log.append("below")
    @DEF bottom(here):
        try:
            @AWAIT(here)
        finally:
            log.append("bottom")
    @AWAIT(below(future()))
""",
    "a sort": """
    here = future()
    @DEF key(value):
        try:
            return @AWAIT(waiting[0])
        finally:
            log.append("key")
    waiting = [here]
    del here
    @SORT(key)
""",
    "a generator": """
    @DEF generate(here):
        try:
            yield 1
            yield @AWAIT(here)
        finally:
            log.append("generator")
    @FOR value in generate(future()):
        log.append(value)
""",
    "an async generator": """
    async def generate(here):
        try:
            yield 1
            yield await here
        finally:
            log.append("generator")
    @FOR value in @ITER(generate(future())):
        log.append(value)
""",
    "a loop over a list": """
    for here in [future(), future()]:
        @AWAIT(here)
""",
    "a with statement": """
    with noted(asyncio.current_task()):
        with contextlib.ExitStack() as stack:
            stack.callback(log.append, "callback")
            @AWAIT(future())
""",
    "a closure": """
    here = future()
    task = asyncio.current_task()
    @DEF inner():
        assert task
        @AWAIT(here)
    @CALL(inner())
""",
    "an exception and its traceback": """
    try:
        here = future()
        raise ValueError(asyncio.current_task())
    except ValueError as error:
        kept = error
        @AWAIT(here)
""",
    "an exception thrown in": """
    here = future()
    try:
        @AWAIT(cancelled())
    except asyncio.CancelledError as error:
        log.append("cancelled")
        kept = error
        @AWAIT(here)
""",
    "a method": """
    class Waiter:
        @DEF wait(self):
            self.me = self
            self.task = asyncio.current_task()
            self.future = future()
            @AWAIT(self.future)
    @CALL(Waiter().wait())
""",
    "a context variable": """
    variable.set(asyncio.current_task())
    @AWAIT(future())
""",
    "arguments by name": """
    @DEF inner(*args, **kwargs):
        @AWAIT(kwargs["here"])
    @CALL(inner(1, *[2], me=asyncio.current_task(), here=future()))
""",
    "an attribute that is looked up": """
    class Slow:
        def __init__(self):
            self.here = future()
            self.me = self
        @DEF get(self):
            @AWAIT(self.here)
    slow = Slow()
    @CALL(slow.get())
""",
    "a long expression": """
    print(1, [2, (asyncio.current_task(), @AWAIT(future()))], {"a": 3})
""",
    "a comprehension": """
    [(value, task, @AWAIT(future())) for value in (1, 2) for task in [asyncio.current_task()]]
""",
}

#: Cases in which the task is not always collected natively at the first collection.
KEPT_NATIVELY = (
    ["an exception and its traceback", "an exception thrown in"]
    if sys.version_info >= (3, 14)
    else []
)

#: Those of which only what is left is compared: up to 3.12, an async generator is not closed with
#: the step that it waits in.
ENDS_DIFFER = ["a generator"] if sys.version_info < (3, 13) else []

#: Those that stay in a portal: up to 3.13 the arguments of C functions are not seen, and 3.11 calls
#: by C where arguments are unpacked.
KEPT_IN_PORTALS = [
    *(["a sort"] if sys.version_info < (3, 14) else []),
    *(["arguments by name"] if sys.version_info < (3, 12) else []),
]

variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable")


def source(case: str, way: int) -> str:
    body = CASES[case].strip("\n")
    text = f"""
@DEF wait():
    log.append("begun")
    try:
        @CALL(inner_wait())
    finally:
        log.append("finally")

@DEF inner_wait():
{body}
"""
    for mark, meanings in MARKS.items():
        text = text.replace(mark, meanings[way])
    return text


def future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


async def cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


def sort(key: Any) -> None:
    sorted([2, 1], key=key)


async def sort_natively(key: Any) -> None:
    for value in [2, 1]:
        await key(value)


@contextlib.contextmanager
def noted(what: object) -> Any:
    try:
        yield what
    finally:
        pass


@contextlib.contextmanager
def unraisable(notes: list[str]) -> Any:
    hook, sys.unraisablehook = (
        sys.unraisablehook,
        lambda args: notes.append(f"{args.exc_value!r}"),
    )
    try:
        yield
    finally:
        sys.unraisablehook = hook


def begin_in_portal(wait: Any, how: str) -> Any:
    """A coroutine in which the function runs in a portal that it has got in that way."""
    if how == "with_portal_run_sync":
        return switchback.with_portal_run_sync(wait)

    async def call() -> None:
        if how == "ensure_portal":
            await switchback.ensure_portal()
        wait()

    return switchback.with_portal_run(call) if how == "with_portal_run" else call()


#: Ways to get a portal.
WAYS = ["ensure_portal", "with_portal_run", "with_portal_run_sync"]


def outcome(library: Any, case: str, how: str | None, collect: Any = gc.collect) -> Any:
    """What is left of the task, what it has done, and the messages; natively without `how`."""
    log: list[Any] = []
    messages: list[str] = []
    names = {
        "log": log,
        "asyncio": asyncio,
        "contextlib": contextlib,
        "await_": switchback.await_,
        "async_iter": switchback.async_iter,
        **{
            function.__name__: function
            for function in (future, cancelled, sort, sort_natively, noted)
        },
        "variable": variable,
    }
    exec(compile(source(case, 0 if how is None else 1), "<case>", "exec"), names)

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: messages.append(context["message"]))
        wait = names.pop("wait")
        coroutine = wait() if how is None else begin_in_portal(wait, how)
        task = asyncio.create_task(coroutine, name="lost")
        del wait, coroutine
        for _ in range(8):
            await asyncio.sleep(0)
        assert log[0] == "begun" and "finally" not in log, log
        del task
        collect()
        for _ in range(3):
            await asyncio.sleep(0)
        left = [task.get_name() for task in asyncio.all_tasks()]
        left.remove(asyncio.current_task().get_name())
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return left

    gc.collect()
    gc.freeze()  # what is older is nothing to look through
    try:
        with unraisable(messages):
            left = library.run(main)
            gc.collect()
    finally:
        gc.unfreeze()
    return left, sorted(map(repr, log)), messages
