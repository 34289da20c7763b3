"""greenlet, which has no tasks: what runs in it is the greenlet that has been switched to."""

from __future__ import annotations

from .. import _engine

REFUSAL = (
    "await_() was called inside a greenlet that the portal's code has started, and cannot suspend "
    "it, as this portal has a stack of its own. Set switchback.settings.backend to 'auto' or "
    "'greenlet', and import greenlet, before the portal begins; or call await_() outside of that "
    "greenlet"
)


def in_greenlet_of_a_step() -> bool:
    """Return whether a portal's step has switched to a greenlet, and nothing else has changed."""
    return _engine.changed_frameworks() == [_engine.GREENLET]
