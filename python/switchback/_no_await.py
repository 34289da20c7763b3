"""A guard against await_(): code that must not be interrupted says so, and is told of a breach."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

from . import _engine

Guard = Callable[[], str]


class no_await:
    """Make `await_` raise where it would suspend, in a ``with`` statement.

    ::

        with no_await():
            library.update(callback)

    `await_` raises `RuntimeError` in there, before it suspends the portal; the message names the
    place of the guard. The awaitable is closed. One that does not suspend is awaited as ever. This
    is about the portal whose code enters the guard: another one, of an event loop that runs inside,
    may suspend. It does not see what a coroutine awaits by ``await``. Outside of a portal it does
    nothing, as `await_` is refused there anyway.

    Entering and leaving are no checkpoints.
    """

    __slots__ = ("_entered",)

    def __init__(self) -> None:
        # The portal, with the guard around this one; for each time that this one is entered.
        self._entered: list[tuple[_engine.Portal | None, Guard | None]] = []

    def __enter__(self) -> None:
        portal = _engine.current_portal()
        outer = None
        if portal is not None:
            code, line = sys._getframe(1).f_code, sys._getframe(1).f_lineno
            place = f"{code.co_filename}:{line}, in {code.co_qualname}"
            outer = _engine.set_guard(portal, lambda: _message(place))
        self._entered.append((portal, outer))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        portal, outer = self._entered.pop()
        if portal is not None:
            _engine.set_guard(portal, outer)


def _message(place: str) -> str:
    return (
        f"await_() would suspend here, inside 'with no_await()' at {place}: await before or after "
        f"it, or let the task wait elsewhere"
    )
