"""Portals suspended by the last exit handlers are left alone, or closed; nothing crashes."""

import atexit
import sys

held = []


def late():
    # Registered first and so called last: after the engine has closed what was suspended.
    from switchback import _engine, await_

    def suspend():
        try:
            await_(trap())
        finally:
            held.append("finally")

    for _ in range(5):
        portal = _engine.open_call_portal(suspend, ())
        portal.send(None)
        held.append(portal)
    sys.kept_until_the_end = held


class OnTeardown:
    """Runs when the module's globals are dropped, as late as Python code can."""

    def __init__(self, engine, await_):
        self.engine, self.await_, self.trap = engine, await_, trap

    def __del__(self):
        portal = self.engine.open_call_portal(lambda: self.await_(self.trap()), ())
        portal.send(None)
        portal.close()
        dropped = self.engine.open_call_portal(lambda: self.await_(self.trap()), ())
        dropped.send(None)


atexit.register(late)
from support.by_hand import trap  # noqa: E402

from switchback import _engine, await_  # noqa: E402

on_teardown = OnTeardown(_engine, await_)
sys.on_teardown = OnTeardown(_engine, await_)
