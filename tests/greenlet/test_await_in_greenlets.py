"""await_() inside greenlets belongs to the step that runs, whoever has started them."""

from __future__ import annotations

import collections
import itertools
import sys

import pytest
from support.by_hand import finish, suspended, trap
from support.greenlet_programs import greenlet
from support.greenlet_users import copies_stacks

import switchback
from switchback import _engine, await_, has_portal, with_portal_run_sync

pytestmark = [pytest.mark.imports_greenlet, copies_stacks]

native_only = pytest.mark.chooses_native(reason="is about errands of stacks of ours")


def in_greenlet(function, *args):
    return greenlet.greenlet(function).switch(*args)


def deep(levels, function):
    """Call a function with much of the C stack in use, all of which is looked at afterwards."""
    values = [object() for _ in range(5)]
    kept = list(values)
    results = []

    def key(_):
        results.append(deep(levels - 1, function) if levels else function())
        return 0

    sorted([levels], key=key)
    assert all(a is b for a, b in zip(values, kept, strict=True))
    return results[0]


def finish_with(portal, answer):
    """Send the last answer; return the result."""
    with pytest.raises(StopIteration) as stop:
        portal.send(answer)
    return stop.value.value


class Hub:
    """What gevent and eventlet have: one greenlet, the parent of all others, that runs them."""

    def __init__(self):
        self._ready = collections.deque()
        self._hub = greenlet.greenlet(self._run)

    def _run(self):
        while True:
            self._ready.popleft().switch()

    def call(self, function, *args):
        waiter = greenlet.getcurrent()
        self._ready.append(greenlet.greenlet(lambda: waiter.switch(function(*args)), self._hub))
        return self._hub.switch()


@pytest.mark.parametrize("depth", [1, 2, 10, 50])
def test_at_any_depth(depth, backend):
    def nested(level):
        if level:
            return deep(2, lambda: in_greenlet(nested, level - 1)) + 1
        assert has_portal()
        return await_(trap("inside")) + await_(trap("again"))

    portal = _engine.open_call_portal(nested, (depth,))
    assert portal.send(None) == "inside"
    assert portal.send(1) == "again"
    assert finish_with(portal, 2) == 3 + depth


def test_greenlets_whose_parent_is_a_hub_that_portals_share(library, backend):
    """Their parents lead to the hub, and from there to no portal."""
    hub = Hub()

    def child(i, x):
        for step in range(3):
            await_(library.sleep(0.0002 * ((i * 7 + x + step * 3) % 11)))
        return i, x

    def work(i):
        return [deep(i % 3, lambda x=x: hub.call(child, i, x)) for x in range(3)]

    async def main():
        calls = [lambda i=i: with_portal_run_sync(work, i) for i in range(50)]
        return await library.gather(*calls)

    assert library.run(main) == [[(i, x) for x in range(3)] for i in range(50)]


def test_a_greenlet_of_one_portal_awaits_in_the_step_of_another(backend):
    """It has been started by the one, and waits for nothing; the other switches to it."""
    children = []

    def child():
        assert await_(trap("by the first")) == "to the first"
        greenlet.getcurrent().parent.switch("started")
        # To whose code this comes back when it ends.
        children[0].parent = children[1]
        return await_(trap("by the second")), await_(trap("by the second"))

    def first():
        children.append(greenlet.greenlet(child))
        assert children[0].switch() == "started"
        await_(trap("first"))
        return "first"

    def second():
        children.append(greenlet.getcurrent())
        return children[0].switch()

    one = _engine.open_call_portal(first, ())
    assert one.send(None) == "by the first"
    assert one.send("to the first") == "first"
    two = _engine.open_call_portal(second, ())
    assert two.send(None) == "by the second"
    assert two.send(1) == "by the second"
    assert finish(one) == "first"
    assert finish_with(two, 2) == (1, 2)


@pytest.mark.parametrize("end", ["throw", "close", "drop"])
def test_what_ends_a_portal_lands_at_the_await_in_the_greenlet(end, backend):
    seen = []

    def nested():
        try:
            await_(trap())
        except BaseException as error:
            seen.append(type(error))
            raise

    def sync():
        try:
            deep(3, lambda: in_greenlet(nested))
        except BaseException as error:
            seen.append(type(error))
            raise

    portal = suspended(sync)
    if end == "throw":
        with pytest.raises(KeyError):
            portal.throw(KeyError)
    elif end == "close":
        portal.close()
    del portal
    assert seen == [KeyError if end == "throw" else GeneratorExit] * 2


def test_a_greenlet_may_handle_what_is_thrown_in_and_wait_again(backend):
    def nested():
        with pytest.raises(KeyError):
            await_(trap("first"))
        with pytest.raises(LookupError):
            await_(trap("second"))
        return await_(trap("third"))

    portal = _engine.open_call_portal(in_greenlet, (nested,))
    assert portal.send(None) == "first"
    assert portal.throw(KeyError) == "second"
    assert portal.throw(IndexError) == "third"
    assert finish_with(portal, "answer") == "answer"


def test_an_exception_that_is_handled_in_the_step_is_not_seen_in_the_greenlets_resumer(backend):
    """What is handled in each place is its own, before and after await_()."""

    def nested():
        try:
            raise KeyError("nested")
        except KeyError as error:
            await_(trap())
            assert sys.exc_info()[1] is error
        await_(trap())
        return sys.exc_info()[1]

    def sync():
        try:
            raise LookupError("sync")
        except LookupError as error:
            found = in_greenlet(nested)
            assert sys.exc_info()[1] is error
            return found

    portal = suspended(sync)
    assert sys.exc_info()[1] is None
    try:
        raise ValueError
    except ValueError as error:
        portal.send(None)
        assert sys.exc_info()[1] is error
    assert finish(portal) is None


@pytest.mark.parametrize("depth", range(1, 5))
@pytest.mark.parametrize("order", ["native", "greenlet", "alternating"])
@native_only
def test_portals_in_portals_each_in_greenlets(depth, order, monkeypatch):
    """Each trap goes to the portal in whose step it is, and each answer comes back."""
    monkeypatch.setattr(switchback.settings, "backend", "native")
    backends = itertools.cycle(["native", "greenlet"] if order == "alternating" else [order])

    def level(number):
        local = [object()] * 10

        def inside():
            for step in range(3):
                assert await_(trap((number, step))) == (number, step, "answer")
            if number == depth:
                return [number]
            switchback.settings.backend = next(backends)
            portal = _engine.open_call_portal(level, (number + 1,))
            answer = None
            while True:
                try:
                    value = portal.send(answer)
                except StopIteration as stop:
                    return [number, *stop.value]
                assert value[0] == number + 1
                # Between its steps this one waits too.
                assert await_(trap((number, "between"))) == (number, "between", "answer")
                answer = (*value, "answer")

        result = deep(1, lambda: in_greenlet(inside))
        assert len(set(map(id, local))) == 1
        return result

    switchback.settings.backend = next(backends)
    portal = _engine.open_call_portal(level, (1,))
    answer = None
    with pytest.raises(StopIteration) as stop:
        while True:
            value = portal.send(answer)
            assert value[0] == 1
            answer = (*value, "answer")
    assert stop.value.value == [*range(1, depth + 1)]


@pytest.mark.parametrize("nested", [False, True])
def test_a_portal_is_stepped_in_one_greenlet_after_another(nested, backend):
    """Each waits in its middle while others step the portal, which begins in one of them."""

    def wait():
        return [await_(trap(number)) for number in range(6)]

    portal = _engine.open_call_portal(in_greenlet if nested else wait, (wait,) * nested)
    seen = []
    main = greenlet.getcurrent()

    def step(answer):
        seen.append(portal.send(answer))
        main.switch()
        seen.append(portal.send(answer))
        return "ended"

    steppers = [greenlet.greenlet(step) for _ in range(3)]
    for number, stepper in enumerate(steppers):
        stepper.switch(number or None)
    for number in (1, 0, 2):
        assert steppers[number].switch() == "ended"
    assert seen == [*range(6)]
    assert finish_with(portal, "last") == [1, 2, 1, None, 2, "last"]


def test_a_native_portal_that_a_greenlet_portal_steps_finds_itself(backend):
    """The innermost step is the one that was entered last, of whichever kind each is."""

    def steps():
        traps.append(in_greenlet(lambda: inner.send("a")))
        traps.append(deep(1, lambda: inner.send("b")))
        assert await_(trap("outer")) == "outer"
        return finish_with(inner, "c")

    traps = []
    inner = _engine.open_call_portal(lambda: [await_(trap(i)) for i in range(3)], ())
    assert inner.send(None) == 0
    switchback.settings.backend = "greenlet"
    outer = _engine.open_call_portal(steps, ())
    assert outer.send(None) == "outer"
    assert traps == [1, 2]
    assert finish_with(outer, "outer") == ["a", "b", "c"]


@native_only
@pytest.mark.parametrize("outer_backend", ["native", "greenlet"])
def test_each_await_in_a_greenlet_belongs_to_the_inner_of_two_portals(outer_backend, monkeypatch):
    """The outer one steps it on its own stack, where what switches counts as its own errand."""

    def inner():
        return in_greenlet(lambda: [await_(trap(number)) for number in range(3)])

    def outer():
        switchback.settings.backend = "native"
        portal = _engine.open_call_portal(inner, ())
        traps = [portal.send(None), portal.send("a"), deep(2, lambda: portal.send("b"))]
        return traps, finish_with(portal, "c")

    monkeypatch.setattr(switchback.settings, "backend", outer_backend)
    portal = _engine.open_call_portal(outer, ())
    assert finish_with(portal, None) == ([0, 1, 2], ["a", "b", "c"])


def test_steps_that_take_turns_in_greenlets_find_themselves(on_greenlet):
    """Each is left in its middle for the other: the one that began last need not be the one."""
    main = greenlet.getcurrent()
    nested, log = [], []

    def take_turns(name):
        nested.append(greenlet.getcurrent())
        main.switch("turn")
        return await_(trap(name))

    def run(name):
        portal = _engine.open_call_portal(in_greenlet, (take_turns, name))
        log.append(portal.send(None))
        return finish_with(portal, "answer to " + name)

    for name in ("first", "second"):
        assert in_greenlet(run, name) == "turn"
    assert nested[0].switch() == "answer to first"
    assert nested[1].switch() == "answer to second"
    assert log == ["first", "second"]
