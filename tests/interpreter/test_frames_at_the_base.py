"""The frame that a stack begins with, where C code that runs directly on it has asked for it."""

import sys

import pytest

from switchback import _engine

pytestmark = pytest.mark.needs_native(reason="greenlet hides the frames below a greenlet")


def result_of(function, *args):
    try:
        _engine.open_call_portal(function, args).send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("suspended")


def test_frames_of_the_base_that_are_kept_own_their_code():
    frame = result_of(sys._getframe)
    code = frame.f_code
    if code.co_filename != "<switchback>":
        pytest.skip("there is no frame at the base")
    before = sys.getrefcount(code)
    frames = [result_of(sys._getframe) for _ in range(50)]
    assert len({id(frame) for frame in frames}) == len(frames)
    del frames
    assert sys.getrefcount(code) == before


def test_locals_at_the_base_are_gone_with_their_step():
    try:
        first = result_of(locals)
    except (SystemError, RuntimeError):
        pytest.skip("there are no locals at the base")
    first["name"] = "of the first step"
    assert "name" not in result_of(locals)
