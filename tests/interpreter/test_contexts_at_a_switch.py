"""The context is exchanged at a switch: its cached values, and the references to it."""

import contextvars
import ctypes
import sys

import pytest
from support.by_hand import finish, suspended, trap

from switchback import _engine, await_

variable = contextvars.ContextVar("variable", default="default")

enter_context = ctypes.pythonapi.PyContext_Enter
enter_context.argtypes = [ctypes.py_object]
enter_context.restype = ctypes.c_int


def in_a_context_of_its_own(function):
    contextvars.copy_context().run(function)


def test_a_variable_read_before_a_step_is_read_anew_in_it():
    seen = []

    def inside():
        variable.set("of the step")
        await_(trap())
        seen.append(variable.get())

    def outside():
        variable.set("outside")
        portal = suspended(in_a_context_of_its_own, inside)
        # The variable keeps it, until the version of the context is another.
        assert variable.get() == "outside"
        finish(portal)

    in_a_context_of_its_own(outside)
    assert seen == ["of the step"]


def test_a_variable_read_in_a_step_is_read_anew_after_it():
    def inside():
        variable.set("of the step")
        assert variable.get() == "of the step"
        await_(trap())

    def outside():
        variable.set("outside")
        portal = suspended(in_a_context_of_its_own, inside)
        assert variable.get() == "outside"
        finish(portal)

    in_a_context_of_its_own(outside)


owns_its_contexts = pytest.mark.needs_native(
    reason="a greenlet that is kept for reuse keeps the context that it ran in last"
)


def counts_after(ways):
    """How many references there are to a context, at first and after each has run in it."""
    context = contextvars.copy_context()
    counts = [sys.getrefcount(context)]
    for way in ways:
        for _ in range(10):
            portal = _engine.open_call_portal(way, ())
            for _ in range(4):
                try:
                    context.run(portal.send, None)
                except StopIteration:
                    break
        counts.append(sys.getrefcount(context))
    return counts


def wait():
    await_(trap())


def enter_one_and_wait():
    in_a_context_of_its_own(wait)


def enter_one_and_wait_before_and_after():
    wait()
    in_a_context_of_its_own(wait)
    wait()


def enter_two_and_wait():
    def inside():
        wait()
        in_a_context_of_its_own(wait)
        wait()

    in_a_context_of_its_own(inside)


@owns_its_contexts
def test_switches_keep_the_count_of_references_to_contexts():
    ways = [wait, enter_one_and_wait, enter_one_and_wait_before_and_after, enter_two_and_wait]
    counts = counts_after(ways)
    assert counts == counts[:1] * (1 + len(ways))


@owns_its_contexts
def test_the_context_of_a_portal_that_is_closed_in_its_own_is_not_kept():
    context = contextvars.copy_context()
    before = sys.getrefcount(context)
    for _ in range(10):
        portal = _engine.open_call_portal(enter_one_and_wait, ())
        context.run(portal.send, None)
        context.run(portal.close)
    assert sys.getrefcount(context) == before


@owns_its_contexts
def test_rebased_contexts_keep_the_count_of_their_references():
    contexts = [contextvars.copy_context() for _ in range(3)]
    before = [sys.getrefcount(context) for context in contexts]
    for _ in range(10):
        portal = _engine.open_call_portal(enter_two_and_wait, ())
        for step in range(3):
            contexts[step % 3].run(portal.send, None)
        with pytest.raises(StopIteration):
            contexts[0].run(portal.send, None)
    assert [sys.getrefcount(context) for context in contexts] == before


@owns_its_contexts
def test_a_context_that_a_step_leaves_entered_is_gone_with_it():
    context = contextvars.copy_context()
    context.run(variable.set, "left behind")
    before = sys.getrefcount(context)
    with pytest.raises(StopIteration):
        # By C code that no Python function calls, so that nothing leaves it.
        _engine.open_call_portal(enter_context, (context,)).send(None)
    assert variable.get() == "default"
    assert sys.getrefcount(context) == before
    seen = []
    with pytest.raises(StopIteration):
        _engine.open_call_portal(lambda: seen.append(variable.get()), ()).send(None)
    assert seen == ["default"]
