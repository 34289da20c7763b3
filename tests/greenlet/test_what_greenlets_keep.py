"""What the greenlets of portals hold, and which of them are used again."""

from __future__ import annotations

import contextvars
import gc
import sys
import weakref

import pytest
from support.by_hand import finish, suspended, trap
from support.children import FREED_IN_C, check_child, run_python
from support.greenlet_programs import greenlet
from support.greenlet_users import copies_stacks
from support.threads import in_thread

from switchback import _engine, await_

pytestmark = [pytest.mark.imports_greenlet, copies_stacks, pytest.mark.usefixtures("on_greenlet")]

variable = contextvars.ContextVar("variable", default="default")


class Token:
    """What can be told to be gone."""


def wait():
    return await_(trap())


def greenlets():
    gc.collect()
    return sum(type(found) is greenlet.greenlet for found in gc.get_objects())


async def with_a_native_await(function):
    """Between its steps the portal keeps a greenlet, as none is suspended in await_()."""
    function()
    await trap()
    function()


def test_greenlets_that_portals_keep_are_used_again():
    def run():
        coroutines = [with_a_native_await(lambda: None) for _ in range(3)]
        portals = [_engine.open_portal(coroutine) for coroutine in coroutines]
        for portal in portals:
            portal.send(None)
        # One is dropped between its steps, and what it drives is not.
        del portals[0], portal
        coroutines[0].close()
        for portal in portals:
            finish(portal)
        for portal in [suspended(wait) for _ in range(3)]:
            finish(portal)

    run()
    before = greenlets()
    for _ in range(5):
        run()
    assert greenlets() == before


def test_a_kept_greenlet_is_killed_between_two_steps():
    own = []
    portal = _engine.open_portal(with_a_native_await(lambda: own.append(greenlet.getcurrent())))
    portal.send(None)
    own[0].throw()
    assert own[0].dead
    finish(portal)
    assert own[1] is not own[0]


def test_a_greenlet_that_comes_to_its_end_while_it_lies_idle_is_not_used_again():
    """One that the step had started ends, and comes back to it when the step is long over."""
    children = []

    def sync():
        children.append(greenlet.greenlet(lambda: greenlet.getcurrent().parent.switch("waits")))
        return children[0].switch()

    assert finish(_engine.open_call_portal(sync, ())) == "waits"
    children[0].switch()
    assert finish(_engine.open_call_portal(lambda: (wait(), "done")[1], ())) == "done"


def test_a_portal_that_keeps_a_greenlet_goes_on_in_another_thread():
    own = []
    portal = _engine.open_portal(with_a_native_await(lambda: own.append(greenlet.getcurrent())))
    portal.send(None)
    in_thread(finish, portal)
    assert own[1] is not own[0]


def test_a_message_that_no_step_takes_is_let_go_of():
    """As its portal resumes one greenlet of the step, and that switches to the other."""
    own, references = [], []

    def waits():
        own.append(greenlet.getcurrent())
        with pytest.raises(RuntimeError, match="has switched to"):
            wait()

    portal = suspended(waits)
    token = Token()
    references.append(weakref.ref(token))
    # By the program, in place of the portal: the step ends, and the portal's next answer is late.
    own[0].switch(token)
    with pytest.raises(StopIteration):
        portal.send(token)
    del portal, token
    own.clear()
    gc.collect()
    assert references[0]() is None


def test_a_greenlet_that_waits_in_await_outlives_the_one_of_its_portal():
    code = """
import gc
import greenlet
from support.by_hand import finish, suspended, trap
from switchback import await_

own, errors = [], []

def wait():
    try:
        await_(trap())
    except RuntimeError as error:
        errors.append(str(error))

def sync():
    own.append(greenlet.getcurrent())
    own.append(greenlet.greenlet(wait))
    own[1].switch()

portal = suspended(sync)
# The portal's own greenlet is killed, and its step comes to an end.
own[0].throw()
assert own[0].dead
try:
    portal.send(None)
except (StopIteration, greenlet.GreenletExit):
    pass
del portal
own[1].parent = greenlet.getcurrent()
del own[0]
gc.collect()
own[0].switch()
assert len(errors) == 1 and "has switched to" in errors[0], errors
"""
    check_child(run_python("-c", code, SWITCHBACK_BACKEND="greenlet", **FREED_IN_C))


def test_a_message_is_taken_once():
    own = []

    def waits():
        own.append(greenlet.getcurrent())
        wait()
        with pytest.raises(RuntimeError, match="has switched to"):
            wait()

    portal = suspended(waits)
    token = Token()
    before = sys.getrefcount(token)
    portal.send(token)
    # By the program, in place of the portal: there is no message for the second wait.
    own[0].switch()
    with pytest.raises(StopIteration):
        portal.send(None)
    del portal
    gc.collect()
    assert sys.getrefcount(token) == before


def test_an_awaitable_that_waits_again_after_a_foreign_switch_is_refused():
    class Again:
        def __await__(self):
            for _ in range(3):
                try:
                    yield "trap"
                except RuntimeError as error:
                    errors.append(str(error))

    own, errors = [], []

    def waits():
        own.append(greenlet.getcurrent())
        with pytest.raises(RuntimeError):
            await_(Again())

    portal = suspended(waits)
    own[0].switch()
    assert errors and all("has switched to" in error for error in errors)
    with pytest.raises(StopIteration):
        portal.send(None)


def test_greenlets_keep_no_context_but_their_last():
    contexts = [contextvars.copy_context() for _ in range(3)]

    def run():
        portal = _engine.open_call_portal(lambda: (wait(), wait()), ())
        for context in contexts:
            try:
                context.run(portal.send, None)
            except StopIteration:
                pass
        return [sys.getrefcount(context) for context in contexts]

    # A greenlet that is kept for reuse keeps the last one.
    before = run()
    assert [run() for _ in range(5)] == [before] * 5


def test_a_greenlet_that_is_used_again_has_the_context_of_its_new_resumer():
    """Its last step ended in that of an earlier one: a greenlet that it had started was resumed."""

    def context_with(value):
        context = contextvars.copy_context()
        context.run(variable.set, value)
        return context

    portal = _engine.open_call_portal(lambda: greenlet.greenlet(wait).switch(), ())
    context_with("first").run(portal.send, None)
    context_with("second").run(finish, portal)

    def read():
        return variable.get(), wait(), variable.get()

    portal = _engine.open_call_portal(read, ())
    context = context_with("third")
    context.run(portal.send, None)
    assert context.run(finish, portal) == ("third", None, "third")


def test_a_variable_is_read_anew_in_a_step_on_greenlet():
    seen = []

    def sync():
        for _ in range(3):
            seen.append(variable.get())
            wait()

    portal = _engine.open_call_portal(sync, ())
    for value in ("first", "second", "third"):
        context = contextvars.copy_context()
        context.run(variable.set, value)

        def step():
            # Kept by the variable, until the version of the context is another.
            seen.append(variable.get())
            portal.send(None)

        context.run(step)
    assert seen == ["first", "first", "second", "second", "third", "third"]
    portal.close()
