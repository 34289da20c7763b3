"""Conveniences on top of await_(): async functions, contexts and iterators for sync code."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from functools import wraps
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

from ._engine import await_, keep_cancellation, take_lost_cancellation
from ._portals import with_portal_run_sync

P = ParamSpec("P")
T = TypeVar("T")
P2 = ParamSpec("P2")
T2 = TypeVar("T2")
T_co = TypeVar("T_co", covariant=True)


def autoawait(fn: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """Make a synchronous function of an async one.

    ``autoawait(fn)(*args)`` is equivalent to ``await fn(*args)``. Of use for what Python calls
    synchronously: properties, operators, ``__init__``, callbacks. The call is a checkpoint where
    `fn` executes one, and raises `NoPortalError` outside of a portal.
    """

    @wraps(fn)
    def awaiting(*args: P.args, **kwargs: P.kwargs) -> T:
        return await_(fn(*args, **kwargs))

    return awaiting


def decorate_as_sync(
    decorator: Callable[[Callable[P, T]], Callable[P2, T2]],
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P2, Coroutine[Any, Any, T2]]]:
    """Make a decorator of async functions of one that knows only synchronous functions.

    ::

        @decorate_as_sync(functools.lru_cache(maxsize=128))
        async def look_up(key): ...

    The decorator sees ``autoawait(async_fn)``; what it returns is run by `with_portal_run_sync`, so
    the decorated function is async again and its caller needs no portal. ``__wrapped__`` of the
    result is what the decorator returned.
    """

    def decorate(async_fn: Callable[P, Awaitable[T]]) -> Callable[P2, Coroutine[Any, Any, T2]]:
        decorated = decorator(autoawait(async_fn))

        @wraps(decorated)
        async def in_portal(*args: P2.args, **kwargs: P2.kwargs) -> T2:
            return await with_portal_run_sync(decorated, *args, **kwargs)

        return in_portal

    return decorate


class async_context(Generic[T_co]):
    """An async context manager for use in a synchronous ``with`` statement.

    ``with async_context(cm) as value: ...`` is equivalent to ``async with cm as value: ...``.
    Entering and leaving are checkpoints where those of `cm` are.
    """

    __slots__ = ("_aexit", "_cm")

    def __init__(self, cm: AbstractAsyncContextManager[T_co, bool | None]) -> None:
        self._cm = cm

    def __enter__(self) -> T_co:
        aenter, self._aexit = _looked_up(type(self._cm))
        return await_(aenter(self._cm))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if exc is None and (lost := take_lost_cancellation()) is not None:
            # It should have left the block. What the block does not swallow is raised again.
            try:
                if await_(self._aexit(self._cm, type(lost), lost, lost.__traceback__)):
                    return None
                keep_cancellation(lost)
                raise lost
            finally:
                del lost
        return await_(self._aexit(self._cm, exc_type, exc, traceback))


def _looked_up(
    cm_type: type[AbstractAsyncContextManager[T, bool | None]],
) -> tuple[Callable[..., Awaitable[T]], Callable[..., Awaitable[bool | None]]]:
    # On the type and in this order, as by `async with`; so are the error texts.
    names = ["__aenter__", "__aexit__"]
    if sys.version_info >= (3, 14):
        names.reverse()
    found: dict[str, Any] = {}
    for name in names:
        try:
            found[name] = getattr(cm_type, name)
        except AttributeError:
            type_name = cm_type.__name__
            if sys.version_info >= (3, 14):
                type_name = cm_type.__qualname__
                if cm_type.__module__ not in ("builtins", "__main__"):
                    type_name = f"{cm_type.__module__}.{type_name}"
            problem = (
                f"{type_name!r} object does not support the asynchronous context manager protocol"
            )
            if sys.version_info >= (3, 14) or name == "__aexit__":
                problem += f" (missed {name} method)"
            is_synchronous = hasattr(cm_type, "__enter__") and hasattr(cm_type, "__exit__")
            if sys.version_info >= (3, 14) and is_synchronous:
                problem += (
                    " but it supports the context manager protocol. Did you mean to use 'with'?"
                )
            raise TypeError(problem) from None
    return found["__aenter__"], found["__aexit__"]


class async_iter(Generic[T_co]):
    """An async iterable for use where a synchronous iterator is expected.

    ``for item in async_iter(iterable): ...`` is equivalent to ``async for item in iterable: ...``.
    Each step is a checkpoint where that of the iterator is. If the iterator has ``asend``,
    ``athrow`` and ``aclose``, as an async generator does, this has ``send``, ``throw`` and
    ``close``.
    """

    __slots__ = ("_iterator",)
    _iterator: AsyncIterator[T_co]

    def __init__(self, iterable: AsyncIterable[T_co]) -> None:
        try:
            aiter_method = type(iterable).__aiter__
        except AttributeError:
            raise TypeError(
                "'async_iter' requires an object with __aiter__ method, "
                f"got {type(iterable).__name__}"
            ) from None
        self._iterator = aiter_method(iterable)
        if not hasattr(type(self._iterator), "__anext__"):
            raise TypeError(
                "'async_iter' received an object from __aiter__ that does not implement "
                f"__anext__: {type(self._iterator).__name__}"
            )
        if all(hasattr(self._iterator, name) for name in ("asend", "athrow", "aclose")):
            self.__class__ = _async_generator_iter

    def __iter__(self) -> Iterator[T_co]:
        return self

    def __next__(self) -> T_co:
        return _step(type(self._iterator).__anext__(self._iterator))


class _async_generator_iter(async_iter[T_co]):
    __slots__ = ()
    _iterator: Any

    def send(self, value: Any) -> T_co:
        return _step(self._iterator.asend(value))  # type: ignore[no-any-return]

    def throw(self, *exception: Any) -> T_co:
        return _step(self._iterator.athrow(*exception))  # type: ignore[no-any-return]

    def close(self) -> None:
        await_(self._iterator.aclose())


def _step(awaitable: Awaitable[T]) -> T:
    try:
        return await_(awaitable)
    except StopAsyncIteration as end:
        raise StopIteration(*end.args) from None
    finally:
        del awaitable  # this frame is in the traceback, which must not keep it alive
