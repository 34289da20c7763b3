"""One portal at a time: for libraries that cannot have two of a thread inside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from types import ModuleType, TracebackType
from typing import ParamSpec, TypeVar, overload

from . import _engine
from ._turns import Turns, Who

P = ParamSpec("P")
T = TypeVar("T")


@overload
def exclusive() -> Exclusive: ...
@overload
def exclusive(fn: Callable[P, T], /) -> Callable[P, T]: ...
def exclusive(fn: Callable[P, T] | None = None, /) -> Exclusive | Callable[P, T]:
    """Let at most one portal of a thread be inside: of a function, or of a ``with`` statement.

    ``exclusive(fn)(*args)`` is equivalent to ``fn(*args)``, after a wait for other portals of this
    thread that are inside. `exclusive` is a decorator, too. Without an argument it returns an
    `Exclusive`, of which several functions and ``with`` statements can make one::

        polars_calls = exclusive()
        apply = polars_calls(frame.apply)
        with polars_calls:
            ...

    This is for libraries that keep what their calls are doing where calls of several portals cannot
    be told apart: in a counter, or under a lock of the thread.

    It raises `TypeError` for what cannot be called. A module is that, too: not all that leads into
    one is a call of its functions.
    """
    return Exclusive() if fn is None else Exclusive()(fn)


def _check_callable(fn: object) -> None:
    if isinstance(fn, str | ModuleType):
        name = fn if isinstance(fn, str) else fn.__name__
        raise TypeError(
            f"exclusive() takes a function, and not the module {name!r}: operators, attributes and "
            f"methods of its C types lead into a module where nothing can be put in between. Make "
            f"one exclusive(), call the functions by it, and use it in 'with' around the rest"
        )
    if not callable(fn):
        raise TypeError(f"exclusive() takes a function, not {type(fn).__name__}")


class Exclusive:
    """What at most one portal of a thread is inside of; as a context manager, and as a decorator.

    Others wait in the order in which they have come. The event loop runs meanwhile, and a wait can
    be cancelled. A portal that is inside may enter again. So may code that runs below it: of an
    event loop that the portal itself runs, as the portal can go on only after that. Each thread has
    its own turns.

    Entering is a checkpoint only where it waits. It waits by `await_`, and so it raises
    `NoPortalError` where a portal is inside and the caller has none. It raises `RuntimeError` in a
    task of a framework that is neither asyncio nor Trio.
    """

    def __init__(self) -> None:
        self._threads = threading.local()

    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]:
        """Return a function that calls `fn` inside."""
        _check_callable(fn)

        @wraps(fn)
        def alone(*args: P.args, **kwargs: P.kwargs) -> T:
            with self:
                return fn(*args, **kwargs)

        return alone

    def __enter__(self) -> None:
        self._turns().enter(Who(_engine.current_portal()))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._turns().leave(Who(_engine.current_portal()))

    def _turns(self) -> Turns:
        try:
            turns: Turns = self._threads.turns
        except AttributeError:
            turns = self._threads.turns = Turns()
        return turns
