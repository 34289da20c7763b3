"""The current frame is exchanged at a switch, and with it whether the thread is traced."""

import sys

from support.by_hand import finish, trap

from switchback import _engine, await_


def test_the_current_frame_is_the_callers_after_a_step():
    def sync():
        await_(trap())

    portal = _engine.open_call_portal(sync, ())
    portal.send(None)
    # Without a call of a Python function in between, which would put it right.
    here = sys._getframe()
    assert here.f_code is test_the_current_frame_is_the_callers_after_a_step.__code__
    try:
        portal.send(None)
    except StopIteration:
        here = sys._getframe()
    assert here.f_code is test_the_current_frame_is_the_callers_after_a_step.__code__


def test_the_current_frame_is_the_callers_after_await():
    frames = []

    def sync():
        await_(trap())
        frames.append(sys._getframe())

    def generate():
        await_(trap())
        frames.append(sys._getframe())
        yield

    for function, expected in ((sync, sync), (lambda: list(generate()), generate)):
        portal = _engine.open_call_portal(function, ())
        portal.send(None)
        finish(portal)
        assert frames.pop().f_code is expected.__code__


def test_tracing_that_begins_between_two_steps_is_seen_in_the_second():
    seen = []

    def called():
        pass

    def sync():
        await_(trap())
        called()

    portal = _engine.open_call_portal(sync, ())
    portal.send(None)
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: seen.append((frame.f_code.co_name, event)))
    try:
        finish(portal)
    finally:
        sys.setprofile(before)
    assert ("called", "call") in seen
