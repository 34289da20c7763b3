"""Run as a child, with the library of thread_states.c: what portals do in states of other making.

Usage: in_thread_states.py LIBRARY CASE
"""

import ctypes
import gc
import sys
import threading
import weakref

from support.by_hand import finish, suspended, trap
from support.threads import in_thread

from switchback import _engine, await_

states = ctypes.PyDLL(sys.argv[1])
for name in (
    "in_new_state",
    "in_new_state_cleared_from_outside",
    "in_another_thread",
    "in_a_state_that_ends_in_another_thread",
    "in_a_foreign_thread",
    "now_and_after_thread_locals",
    "in_a_low_thread",
):
    getattr(states, name).argtypes = [ctypes.py_object]
    getattr(states, name).restype = ctypes.py_object
states.ask_for_the_gil.restype = ctypes.py_object

# What an error says of the thread that a portal belongs to.
_engine.set_explainers(
    lambda: "no portal", lambda ident, ended: f"{ident} {ended}", lambda what, text: text
)


def wait():
    return await_(trap())


def note_the_end(log, name):
    try:
        wait()
    finally:
        log.append(name)


def refuse_to_end():
    while True:
        try:
            wait()
        except GeneratorExit:
            pass


def error_of(portal):
    try:
        portal.send(None)
    except RuntimeError as error:
        return str(error)
    raise AssertionError("the portal was resumed")


def run_one():
    assert finish(suspended(wait)) is None


def silence():
    sys.unraisablehook = lambda _: None


def belongs_to_one_state():
    errors = []
    portal = suspended(wait)
    states.in_new_state(lambda: errors.append(error_of(portal)))
    assert errors == [f"{threading.get_ident()} False"], errors
    run_one()
    assert finish(portal) is None


def outlives_its_state():
    silence()
    portals = []
    states.in_new_state(lambda: portals.append(suspended(refuse_to_end)))
    assert error_of(portals[0]) == f"{threading.get_ident()} True", error_of(portals[0])
    reference = weakref.ref(portals[0])
    portals.clear()
    run_one()
    # Left as it is: no thread is going to unwind it.
    assert reference() is None
    run_one()


def each_state():
    log = []
    for name in ("first", "second", "third"):
        states.in_new_state(lambda name=name: portals.append(suspended(note_the_end, log, name)))
    assert log == ["first", "second", "third"], log


portals = []


def others_of_a_state_that_ends():
    log = []
    portal = suspended(note_the_end, log, "of this state")
    states.in_new_state(lambda: portals.append(suspended(note_the_end, log, "of the other")))
    assert log == ["of the other"], log
    run_one()
    assert log == ["of the other"], log
    assert finish(portal) is None
    assert log == ["of the other", "of this state"], log


def cleared_from_outside():
    log = []
    portal = suspended(note_the_end, log, "of this state")
    silence()
    states.in_new_state_cleared_from_outside(lambda: portals.append(suspended(refuse_to_end)))
    assert log == [], log
    assert finish(portal) is None


def ends_in_another_thread():
    states.in_a_state_that_ends_in_another_thread(run_one)
    run_one()


def moves_to_another_thread():
    idents = []

    def inside():
        idents.append(threading.get_ident())
        portals.append(suspended(wait))

    states.in_another_thread(inside)
    assert error_of(portals[0]) == f"{idents[0]} True", error_of(portals[0])
    reference = weakref.ref(portals[0])
    portals.clear()
    assert reference() is None
    run_one()


def after_thread_locals():
    calls = []

    def inside():
        calls.append(threading.get_ident())
        for _ in range(3):
            run_one()

    states.now_and_after_thread_locals(inside)
    assert len(calls) == 2 and calls[0] == calls[1], calls


def c_code_as_a_foreign_thread_ends():
    log = []

    def at_end():
        try:
            wait()
        finally:
            for _ in range(3):
                states.ask_for_the_gil()
            log.append("ended")

    def state_ids():
        return len(sys._current_frames())

    before = state_ids()
    for _ in range(5):
        states.in_a_foreign_thread(lambda: portals.append(suspended(at_end)))
        gc.collect()
    assert log == ["ended"] * 5, log
    assert state_ids() == before


class Value:
    pass


def what_closing_leaves():
    local = threading.local()
    references = []

    def at_end():
        try:
            wait()
        finally:
            local.value = Value()
            references.append(weakref.ref(local.value))

    def inside():
        portals.append(suspended(at_end))

    states.in_a_foreign_thread(inside)
    in_thread(inside)
    gc.collect()
    assert [reference() for reference in references] == [None, None], references


def record_outlives_its_thread():
    silence()
    idents = []

    def inside():
        idents.append(threading.get_ident())
        portals.append(suspended(refuse_to_end))

    for _ in range(20):
        in_thread(inside)
    states.in_a_foreign_thread(inside)
    for portal, ident in zip(portals, idents, strict=True):
        assert error_of(portal) == f"{ident} True", error_of(portal)
    portals.clear()
    gc.collect()


def goes_back_to_the_threads_stack():
    """A portal's code goes on to a greenlet on the stack of its thread, which runs another one."""
    import greenlet

    _engine.set_backend("native")

    def in_c(levels, function):
        return max(
            [levels], key=lambda _: (in_c(levels - 1, function) if levels else function()) or 0
        )

    def frees_at_once():
        value = [Value()]
        reference = weakref.ref(value[0])
        del value
        return reference() is None

    def on_the_threads_stack():
        main = greenlet.getcurrent().parent
        main.switch()
        run_one()
        freed.append(frees_at_once())
        main.switch()

    def inside():
        other = greenlet.greenlet(on_the_threads_stack)
        # Far below what this greenlet has on the thread's stack while its portal runs.
        in_c(50, other.switch)
        finish(suspended(lambda: (wait(), other.switch(), freed.append(frees_at_once()))))
        freed.append(frees_at_once())
        calls.append(1)

    calls, freed = [], []
    states.in_a_low_thread(inside)
    assert calls == [1]
    assert freed == [True] * 3, freed


{
    function.__name__: function
    for function in (
        belongs_to_one_state,
        outlives_its_state,
        each_state,
        others_of_a_state_that_ends,
        cleared_from_outside,
        ends_in_another_thread,
        moves_to_another_thread,
        after_thread_locals,
        c_code_as_a_foreign_thread_ends,
        what_closing_leaves,
        record_outlives_its_thread,
        goes_back_to_the_threads_stack,
    )
}[sys.argv[2]]()
