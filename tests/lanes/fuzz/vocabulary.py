"""What programs use: errors, awaitables and what else their names stand for."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import types
from collections.abc import Callable
from typing import Any

import switchback

V0: contextvars.ContextVar[int] = contextvars.ContextVar("V0", default=0)
V1: contextvars.ContextVar[int] = contextvars.ContextVar("V1", default=0)


class E1(Exception):
    pass


class E2(E1):
    pass


class Base(BaseException):
    """Like KeyboardInterrupt: no Exception."""


class OutOfFuel(BaseException):
    pass


ERRORS: list[type[BaseException]] = [
    E1,
    E2,
    KeyError,
    asyncio.CancelledError,
    Base,
    GeneratorExit,
    RuntimeError,
]

# What programs use, natively as in a portal; its frames are part of tracebacks.
PRELUDE = '''
class Awaitable:
    """Suspends once, through a generator."""

    def __init__(self, world, value):
        self.world, self.value = world, value

    def __await__(self):
        if self.world.dropping:
            self.world.note("not suspended", self.value)
            return -1
        sent = yield self.value
        self.world.note("sent", sent)
        return sent


@types.coroutine
def generator(world, value):
    if world.dropping:
        world.note("not suspended", value)
        return -1
    try:
        sent = yield value
    except E1 as error:
        world.note("generator got", type(error).__name__)
        raise
    finally:
        world.note("generator done", value)
    world.note("sent", sent)
    return sent


class Iterator:
    """Suspends once; can neither be sent to nor thrown into."""

    def __init__(self, world, value):
        self.world, self.value, self.done = world, value, False

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self.done or self.world.dropping:
            self.world.note("iterator ends", self.value)
            raise StopIteration(self.value)
        self.done = True
        return self.value


class FullIterator(Iterator):
    """Has all the methods, and may answer a throw by suspending again."""

    def send(self, value):
        self.world.note("iterator sent", value)
        return self.__next__()

    def throw(self, kind, value=None, traceback=None):
        error = kind if isinstance(kind, BaseException) else value
        name = type(error).__name__ if error is not None else kind.__name__
        self.world.note("iterator thrown", name)
        if isinstance(error, E2) and not self.world.dropping:
            return -self.value
        if isinstance(error, KeyError):
            raise StopIteration(self.value)
        try:
            raise error if error is not None else kind
        finally:
            del error, kind, value, traceback  # what is raised would hold itself

    def close(self):
        self.world.note("iterator closed", self.value)


class Manager:
    def __init__(self, world, value, suspends, swallows):
        self.world, self.value, self.suspends, self.swallows = world, value, suspends, swallows

    def __enter__(self):
        self.world.note("enter", self.value)
        return self.value

    def __exit__(self, kind, error, traceback):
        self.world.note("exit", self.value, self.world.describe(error), self.world.handled())
        return self.swallows and isinstance(error, E1)

    async def __aenter__(self):
        if self.suspends & 1:
            await Awaitable(self.world, self.value)
        return self.__enter__()

    async def __aexit__(self, kind, error, traceback):
        if self.suspends & 2:
            await Awaitable(self.world, self.value)
        return self.__exit__(kind, error, traceback)


class Deleted:
    def __init__(self, world, value):
        self.world, self.value = world, value

    def __del__(self):
        self.world.deleted(self.value)
'''


class Nothing:
    def __await__(self) -> Any:
        return iter(())


class Reading:
    """A property that calls a function."""

    def __init__(self, function: Callable[..., Any], argument: int) -> None:
        self.function, self.argument = function, argument

    @property
    def value(self) -> Any:
        return self.function(self.argument)


def function_of_order(function: Callable[..., Any]) -> Callable[[int], int]:
    def key(value: int) -> int:
        function(value)
        return value

    return key


_prelude: dict[str, Any] = {
    "types": types,
    "E1": E1,
    "E2": E2,
}
exec(compile(PRELUDE, "<prelude>", "exec"), _prelude)
TRAPS = [_prelude[name] for name in ("Awaitable", "generator", "Iterator", "FullIterator")]

NAMES = {
    **_prelude,
    "Base": Base,
    "CancelledError": asyncio.CancelledError,
    "OutOfFuel": OutOfFuel,
    "V0": V0,
    "V1": V1,
    "contextvars": contextvars,
    "contextlib": contextlib,
    "gc": gc,
    "await_": switchback.await_,
    "async_context": switchback.async_context,
    "async_iter": switchback.async_iter,
}
