"""greenlet, which has no tasks: what is told apart is whether it goes together with our stacks."""

from __future__ import annotations

import sys

from .. import _engine
from .._watching import when_imported

REFUSAL = (
    "await_() was called inside a greenlet that the portal's code has started, and cannot suspend "
    "it: this portal has a stack of its own, and {obstacle}. Set switchback.settings.backend to "
    "'greenlet' before the portal begins; or call await_() outside of that greenlet"
)


def in_greenlet_of_a_step() -> bool:
    """Return whether a portal's step has switched to a greenlet, and nothing else has changed."""
    return _engine.changed_frameworks() == [_engine.GREENLET]


def refusal() -> str:
    return REFUSAL.format(obstacle=_engine.greenlet_obstacle())


def watch_imports() -> None:
    """Take greenlet over, or do so as soon as the program imports it.

    Not later: the code that imports it may start greenlets at once, on a stack of ours.
    """
    if "greenlet" in sys.modules or _engine.native_obstacle() is None:
        when_imported("greenlet", _engine.take_over_greenlet)
