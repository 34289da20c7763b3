"""Portals of one thread that take turns: one is inside, and the others wait by await_()."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from weakref import ref

from . import _engine
from ._engine import await_
from ._frameworks import built_in, current_task, has_events

if TYPE_CHECKING:
    from ._frameworks._abilities import Event


class Who:
    """A portal that is inside or waits, or code outside of portals.

    It does not keep the portal: one that is dropped ends, and leaves. Until then nothing else has
    its identity, though references to it may be cleared already.
    """

    __slots__ = ("_identity", "_portal")

    def __init__(self, portal: _engine.Portal | None) -> None:
        self._identity = None if portal is None else id(portal)
        self._portal = None if portal is None else ref(portal)

    def is_same(self, other: Who) -> bool:
        return self._identity == other._identity

    def is_suspended(self) -> bool:
        portal = None if self._portal is None else self._portal()
        return portal is not None and portal.cr_suspended


class Turns:
    """Who is inside in one thread, and who waits."""

    def __init__(self) -> None:
        # The latest comes last: more than one is inside only where the earlier ones are below it on
        # the stack.
        self._inside: list[Who] = []
        self._waiting: deque[_Waiter] = deque()

    def enter(self, who: Who) -> None:
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

    def leave(self, who: Who) -> None:
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

    def _may_enter(self, who: Who) -> bool:
        return (
            not self._inside
            or not self._inside[-1].is_suspended()
            or any(inside.is_same(who) for inside in self._inside)
        )


class _Waiter:
    def __init__(self, who: Who) -> None:
        self.who = who
        self.is_inside = False
        self.event = _new_event()


def may_wait() -> bool:
    """Return whether `Turns.enter` can wait here."""
    if not _engine.has_active_portal():
        return False
    found = current_task()
    return found is not None and has_events(found[0])


def _new_event() -> Event:
    found = current_task()
    if found is not None and has_events(found[0]):
        return found[0].new_event()
    whose = "this code runs in no task" if found is None else f"this is a task of {found[0].name}"
    known = " or ".join(framework.TITLE for framework in built_in())
    raise RuntimeError(
        f"another portal is inside, and to wait for it takes an event of {known}: {whose}"
    )
