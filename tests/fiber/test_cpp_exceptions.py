"""C++ code in portals handles its own exceptions, whatever code of other stacks is handling."""

from __future__ import annotations

import ctypes
import sysconfig

import pytest
from support.by_hand import suspended, trap
from support.children import TESTS, compile_library
from support.greenlet_programs import NATIVE, greenlet
from support.greenlet_users import copies_stacks

import switchback
from switchback import _engine, await_


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> ctypes.PyDLL:
    place = tmp_path_factory.mktemp("library") / "cpp_exceptions.so"
    headers = sysconfig.get_paths()["include"]
    source = TESTS / "support" / "cpp_exceptions.cpp"
    compile_library(source, place, "-std=c++17", f"-I{headers}", "-lstdc++")
    code = ctypes.PyDLL(str(place))
    code.in_catch_block.argtypes = [ctypes.py_object, ctypes.c_char_p]
    code.while_unwinding.argtypes = [ctypes.py_object]
    for name in ("in_catch_block", "while_unwinding", "exceptions_here"):
        getattr(code, name).restype = ctypes.py_object
    return code


def wait():
    await_(trap())


def result(portal):
    with pytest.raises(StopIteration) as stop:
        portal.send(None)
    return stop.value.value


def test_cpp_exceptions_of_interleaved_steps_stay_apart(code):
    portals = [suspended(code.in_catch_block, wait, b"first")]
    assert code.exceptions_here() == (0, 0)
    portals.append(suspended(code.in_catch_block, wait, b"second"))
    assert code.exceptions_here() == (0, 0)
    # In the order in which they began, not the reverse.
    assert [result(portal) for portal in portals] == ["first", "second"]
    assert code.exceptions_here() == (0, 0)


def test_a_step_does_not_see_the_cpp_exception_of_its_resumer(code):
    seen = []
    portal = _engine.open_call_portal(lambda: seen.append(code.exceptions_here()), ())
    assert code.in_catch_block(lambda: result(portal), b"outside") == "outside"
    assert seen == [(0, 0)]


def test_cpp_exceptions_in_flight_are_counted_for_each_stack(code):
    portal = suspended(code.while_unwinding, wait)
    assert code.exceptions_here() == (0, 0)
    assert code.while_unwinding(lambda: code.exceptions_here()) == 1
    assert result(portal) == 1
    assert code.exceptions_here() == (0, 0)


@pytest.mark.imports_greenlet
@copies_stacks
@pytest.mark.parametrize("backend", [NATIVE, "greenlet"])
def test_cpp_exceptions_of_greenlets_in_interleaved_steps_stay_apart(code, backend, monkeypatch):
    """Two that wait in greenlets, while another portal handles one on its own stack."""
    monkeypatch.setattr(switchback.settings, "backend", backend)

    def in_greenlet(text):
        return greenlet.greenlet(code.in_catch_block).switch(wait, text)

    portals = [suspended(in_greenlet, b"first")]
    assert code.exceptions_here() == (0, 0)
    portals.append(suspended(code.in_catch_block, wait, b"second"))
    portals.append(suspended(in_greenlet, b"third"))
    assert code.exceptions_here() == (0, 0)
    inside = code.in_catch_block(lambda: portals.append(suspended(in_greenlet, b"fourth")), b"out")
    assert inside == "out"
    expected = ["first", "second", "third", "fourth"]
    assert [result(portal) for portal in portals] == expected
    assert code.exceptions_here() == (0, 0)


@pytest.mark.imports_greenlet
@copies_stacks
@pytest.mark.parametrize("backend", [NATIVE, "greenlet"])
def test_a_greenlet_does_not_see_the_cpp_exception_of_the_step_that_starts_it(
    code, backend, monkeypatch
):
    monkeypatch.setattr(switchback.settings, "backend", backend)
    seen = []

    def starts():
        greenlet.greenlet(lambda: (seen.append(code.exceptions_here()), wait())).switch()

    portal = suspended(code.in_catch_block, starts, b"the step's")
    assert code.exceptions_here() == (0, 0)
    assert result(portal) == "the step's"
    # To a greenlet of its own greenlet gives what was there, as it does without portals.
    assert seen == [(0, 0) if backend == "native" else (0, 1)]


@pytest.mark.imports_greenlet
@copies_stacks
@pytest.mark.parametrize("backend", [NATIVE, "greenlet"])
def test_a_greenlet_does_not_see_the_cpp_exception_of_the_one_that_resumes_its_step(
    code, backend, monkeypatch
):
    monkeypatch.setattr(switchback.settings, "backend", backend)
    seen = []

    def starts():
        wait()
        greenlet.greenlet(lambda: seen.append(code.exceptions_here())).switch()

    portal = suspended(starts)
    assert code.in_catch_block(lambda: result(portal), b"outside") == "outside"
    assert seen == [(0, 0)]
