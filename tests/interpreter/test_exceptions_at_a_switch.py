"""The exceptions being handled are exchanged at a switch."""

import ctypes
import itertools
import operator
import sys

import pytest
from support.by_hand import finish, trap

from switchback import _engine, await_

set_handled = ctypes.pythonapi.PyErr_SetHandledException
set_handled.argtypes = [ctypes.py_object]
set_handled.restype = None


def handled():
    return sys.exc_info()[1]


@pytest.mark.needs_native(reason="greenlets have handled exceptions of their own")
def test_a_step_sees_the_exception_that_its_resumer_handles():
    seen = []

    def sync():
        seen.append(handled())
        await_(trap())
        seen.append(handled())

    portal = _engine.open_call_portal(sync, ())
    errors = [KeyError(1), KeyError(2)]
    for error in errors:
        try:
            raise error
        except KeyError:
            try:
                portal.send(None)
            except StopIteration:
                pass
            assert handled() is error
    assert seen == errors
    assert handled() is None


def test_a_step_that_handles_one_keeps_it_to_itself():
    def sync():
        try:
            raise KeyError("of the step")
        except KeyError as error:
            await_(trap())
            assert handled() is error

    portal = _engine.open_call_portal(sync, ())
    portal.send(None)
    assert handled() is None
    try:
        raise ValueError("outside")
    except ValueError as error:
        with pytest.raises(StopIteration):
            portal.send(None)
        assert handled() is error


def test_a_generator_in_a_step_keeps_what_it_handles():
    def generate():
        try:
            raise KeyError("of the generator")
        except KeyError as error:
            await_(trap())
            assert handled() is error
            yield
        await_(trap())
        assert isinstance(handled(), ValueError)

    def sync():
        try:
            raise ValueError("of the step")
        except ValueError as error:
            for _ in generate():
                assert handled() is error
            assert handled() is error

    portal = _engine.open_call_portal(sync, ())
    for _ in range(2):
        portal.send(None)
        assert handled() is None
    finish(portal)
    assert handled() is None


@pytest.mark.needs_native(reason="a greenlet that is kept for reuse keeps what it handles")
def test_what_a_step_leaves_handled_is_gone_with_it():
    error = KeyError("left behind")
    before = sys.getrefcount(error)
    with pytest.raises(StopIteration):
        # By C code that no Python function calls, so that nothing takes it back.
        _engine.open_call_portal(set_handled, (error,)).send(None)
    assert sys.getrefcount(error) == before
    assert handled() is None
    seen = []
    with pytest.raises(StopIteration):
        _engine.open_call_portal(lambda: seen.append(handled()), ()).send(None)
    assert seen == [None]


@pytest.mark.needs_native(reason="a greenlet that is kept for reuse keeps what it handles")
def test_the_exception_of_a_step_that_leaves_something_is_raised():
    error = KeyError("left behind")
    steps = itertools.chain([error], map(operator.truediv, [1], [0]))
    # C code alone: it leaves the one exception handled, and ends by another.
    portal = _engine.open_call_portal(list, (map(set_handled, steps),))
    with pytest.raises(ZeroDivisionError):
        portal.send(None)
    assert handled() is None
