"""One portal at a time: for libraries that cannot have two of a thread inside."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar, overload
from weakref import ref

from . import _engine
from ._engine import await_
from ._frameworks import built_in, current_task, has_events

if TYPE_CHECKING:
    from ._frameworks._abilities import Event

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
    """
    return Exclusive() if fn is None else Exclusive()(fn)


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

        @wraps(fn)
        def alone(*args: P.args, **kwargs: P.kwargs) -> T:
            with self:
                return fn(*args, **kwargs)

        return alone

    def __enter__(self) -> None:
        self._turns().enter(_Who(_engine.current_portal()))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._turns().leave(_Who(_engine.current_portal()))

    def _turns(self) -> _Turns:
        try:
            turns: _Turns = self._threads.turns
        except AttributeError:
            turns = self._threads.turns = _Turns()
        return turns


class _Who:
    """A portal that is inside or waits, or code outside of portals.

    It does not keep the portal: one that is dropped ends, and leaves. Until then nothing else has
    its identity, though references to it may be cleared already.
    """

    __slots__ = ("_identity", "_portal")

    def __init__(self, portal: _engine.Portal | None) -> None:
        self._identity = None if portal is None else id(portal)
        self._portal = None if portal is None else ref(portal)

    def is_same(self, other: _Who) -> bool:
        return self._identity == other._identity

    def is_suspended(self) -> bool:
        portal = None if self._portal is None else self._portal()
        return portal is not None and portal.cr_suspended


class _Turns:
    """Who is inside in one thread, and who waits."""

    def __init__(self) -> None:
        # The latest comes last: more than one is inside only where the earlier ones are below it on
        # the stack.
        self._inside: list[_Who] = []
        self._waiting: deque[_Waiter] = deque()

    def enter(self, who: _Who) -> None:
        if self._may_enter(who):
            self._inside.append(who)
            return
        waiter = _Waiter(who)
        self._waiting.append(waiter)
        try:
            await_(waiter.event.wait())
        except BaseException:
            if waiter.is_inside:
                self.leave(who)
            else:
                self._waiting.remove(waiter)
            raise

    def leave(self, who: _Who) -> None:
        # From the end, as inner entries are left first.
        for index in range(len(self._inside) - 1, -1, -1):
            if self._inside[index].is_same(who):
                del self._inside[index]
                break
        latest = self._inside[-1] if self._inside else None
        # Whoever waits in a loop that this one has run cannot wait for this.
        is_free = latest is None or not (latest.is_same(who) or latest.is_suspended())
        if self._waiting and is_free:
            waiter = self._waiting.popleft()
            # From now on, so that nobody else enters before it runs.
            self._inside.append(waiter.who)
            waiter.is_inside = True
            waiter.event.set()

    def _may_enter(self, who: _Who) -> bool:
        return (
            not self._inside
            or not self._inside[-1].is_suspended()
            or any(inside.is_same(who) for inside in self._inside)
        )


class _Waiter:
    def __init__(self, who: _Who) -> None:
        self.who = who
        self.is_inside = False
        self.event = _new_event()


def _new_event() -> Event:
    found = current_task()
    if found is not None and has_events(found[0]):
        return found[0].new_event()
    whose = "this code runs in no task" if found is None else f"this is a task of {found[0].name}"
    known = " or ".join(framework.TITLE for framework in built_in())
    raise RuntimeError(
        f"another portal is inside, and to wait for it takes an event of {known}: {whose}"
    )
