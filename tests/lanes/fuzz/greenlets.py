"""Functions and generators of programs that run in greenlets, and what does the same natively.

In a portal, a function or a generator has one greenlet, in which it awaits. Natively each step of
its coroutine has a greenlet of its own: what the caller is handling is out of sight in both.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Generator
from typing import Any

import greenlet
from stepping import await_by


def in_greenlet(context: Any, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a greenlet, from which it does not come back before it has ended."""
    inner = greenlet.greenlet(function)
    inner.gr_context = context
    try:
        return inner.switch(*args)
    finally:
        del inner, function, args  # what is raised has this frame


def call_in_portal(function: Callable[..., Any]) -> Any:
    return in_greenlet(contextvars.copy_context(), function)


def call_natively(function: Callable[..., Any]) -> Any:
    return step_natively(function(), contextvars.copy_context())


def step_natively(coroutine: Any, context: Any = None) -> Any:
    """Await a coroutine, each of whose steps runs in a greenlet.

    Unless told, in the context that is current now: as a greenlet keeps its own, whatever runs it.
    """
    if context is None:
        context = greenlet.getcurrent().gr_context
    return await_by(functools.partial(in_greenlet, context), coroutine)


class NativeGenerator:
    """An async generator, each of whose steps runs in a greenlet."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def __aiter__(self) -> NativeGenerator:
        return self

    async def __anext__(self) -> Any:
        return await step_natively(self._generator.__anext__())

    async def athrow(self, error: BaseException) -> Any:
        try:
            return await step_natively(self._generator.athrow(error))
        finally:
            del error

    async def aclose(self) -> None:
        await step_natively(self._generator.aclose())


class GeneratorOfPortal:
    """A generator that runs in one greenlet, which comes back for each value."""

    def __init__(self, generator: Generator[Any, Any, Any]) -> None:
        # Without a reference to this object, which ends the greenlet when it goes.
        self._greenlet = greenlet.greenlet(functools.partial(_run, generator))

    def __iter__(self) -> GeneratorOfPortal:
        return self

    def _step(self, name: str, *args: Any) -> Any:
        if self._greenlet.dead:
            raise StopIteration
        current = greenlet.getcurrent()
        self._greenlet.parent = current
        self._greenlet.gr_context = current.gr_context
        try:
            box = self._greenlet.switch((name, args))
            value, error = box
            box.clear()  # the greenlet has it until it goes on, which the collector cannot see
            if error is not None:
                raise error
            return value
        finally:
            self._greenlet.parent = current
            del args, current
            error = value = box = None

    def __next__(self) -> Any:
        return self._step("__next__")

    def throw(self, error: BaseException) -> Any:
        try:
            return self._step("throw", error)
        finally:
            del error

    def close(self) -> None:
        self._step("close")


def _run(generator: Generator[Any, Any, Any], request: tuple[str, tuple[Any, ...]]) -> Any:
    while True:
        name, args = request
        error = value = None
        try:
            value = getattr(generator, name)(*args)
        except BaseException as raised:
            error = raised
        args = request = ()
        box = [value, error]
        del error, value
        request = greenlet.getcurrent().parent.switch(box)
        del box
