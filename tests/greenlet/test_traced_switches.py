"""A tracer of greenlet switches or raises while a portal's greenlet hands its trap on."""

from __future__ import annotations

import gc
import weakref

import pytest
from support.by_hand import trap
from support.greenlet_programs import greenlet
from support.greenlet_users import copies_stacks

from switchback import _engine, await_

pytestmark = [pytest.mark.imports_greenlet, copies_stacks]

native_only = pytest.mark.chooses_native(reason="is about errands of stacks of ours")


class Token:
    pass


@pytest.fixture
def trace_switches():
    """Have a function called in the middle of each switch, in the greenlet that is switched to."""
    before = greenlet.gettrace()
    yield greenlet.settrace
    greenlet.settrace(before)


@native_only
def test_a_trap_that_reaches_nobody_is_taken_back(on_native, trace_switches):
    """Something switches back to the greenlet before the portal's resumer has the trap."""
    tokens, log, children = [], [], []

    def child():
        token = Token()
        tokens.append(weakref.ref(token))
        awaitable = trap(token)
        del token
        try:
            await_(awaitable)
        except RuntimeError as error:
            log.append(str(error))
        del awaitable
        gc.collect()
        assert tokens[0]() is None
        return await_(trap("second"))

    def trace(event, places):
        if event == "switch" and tokens and not log and places[0] is children[0]:
            children[0].switch("early")

    def sync():
        children.append(greenlet.greenlet(child))
        trace_switches(trace)
        return children[0].switch()

    portal = _engine.open_call_portal(sync, ())
    assert portal.send(None) == "second"
    assert len(log) == 1 and "which waits in await_()" in log[0], log
    with pytest.raises(StopIteration) as stop:
        portal.send("answer")
    assert stop.value.value == "answer"


@native_only
def test_an_error_in_the_middle_of_a_switch_to_the_resumer_loses_no_trap(on_native, trace_switches):
    raised = []

    def trace(event, places):
        if not raised and places[0] is children[0]:
            raised.append(True)
            raise LookupError

    def sync():
        children.append(greenlet.greenlet(lambda: await_(trap("the trap"))))
        trace_switches(trace)
        return children[0].switch()

    children = []
    portal = _engine.open_call_portal(sync, ())
    assert portal.send(None) == "the trap"
    assert raised
    with pytest.raises(StopIteration) as stop:
        portal.send("answer")
    assert stop.value.value == "answer"
