"""Portals around functions refuse what coroutines refuse, in the same words."""

from __future__ import annotations

import pytest
from support.by_hand import finish, suspended, trap

from switchback import _engine, await_


def test_a_portal_of_a_function_refuses_a_value_before_it_begins():
    portal = _engine.open_call_portal(lambda: "called", ())
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        portal.send("value")
    assert finish(portal) == "called"


def test_a_portal_of_a_function_refuses_steps_while_it_runs():
    def sync():
        for step in (lambda: portal.send(None), lambda: portal.throw(KeyError), portal.close):
            with pytest.raises(ValueError, match="coroutine already executing"):
                step()
        await_(trap())
        return "ended"

    portal = _engine.open_call_portal(sync, ())
    portal.send(None)
    assert finish(portal) == "ended"


def test_a_portal_of_a_function_refuses_steps_when_it_has_ended():
    for portal in (
        _engine.open_call_portal(lambda: None, ()),
        suspended(lambda: await_(trap())),
    ):
        finish(portal)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                portal.send(None)
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                portal.throw(KeyError)
        assert portal.close() is None
