"""How deep a stack has recursed is counted for each stack: in Python functions, and in C."""

import sys

import pytest
from support.by_hand import finish, suspended, trap

from switchback import _engine, await_

needs_a_count_of_c_calls = pytest.mark.minor(
    since="3.12", reason="up to 3.11 one counter bounds all recursion"
)
counted_for_each_greenlet = pytest.mark.needs_native(
    reason="greenlet counts the recursion of each greenlet on its own"
)


def recurse(levels, function):
    return function() if levels <= 0 else recurse(levels - 1, function)


def depth_left():
    """How many Python functions may call each other from here."""
    count = 0

    def deeper():
        nonlocal count
        count += 1
        deeper()

    try:
        deeper()
    except RecursionError:
        pass
    return count


def test_the_depth_of_a_step_counts_when_it_goes_on():
    seen = []

    def sync():
        seen.append(depth_left())
        await_(trap())
        seen.append(depth_left())

    portal = _engine.open_call_portal(recurse, (300, sync))
    portal.send(None)
    finish(portal)
    assert abs(seen[0] - seen[1]) < 20, seen


def test_the_depth_of_a_step_does_not_count_outside():
    before = depth_left()
    portals = [_engine.open_call_portal(recurse, (300, lambda: await_(trap()))) for _ in range(5)]
    for portal in portals:
        portal.send(None)
        assert depth_left() == before
    for portal in portals:
        finish(portal)
        assert depth_left() == before


@counted_for_each_greenlet
def test_the_depth_of_the_resumer_counts_in_a_step():
    seen = []

    def sync():
        seen.append(depth_left())
        await_(trap())
        seen.append(depth_left())

    portal = _engine.open_call_portal(sync, ())
    portal.send(None)
    recurse(300, lambda: finish(portal))
    assert 250 < seen[0] - seen[1] < 350, seen


@pytest.mark.needs_native(reason="greenlet counts the recursion of each greenlet on its own")
def test_a_step_that_exceeds_the_limit_leaves_nothing_counted():
    def left_in_a_portal():
        return finish(_engine.open_call_portal(depth_left, ()))

    def wait_and_fail():
        await_(trap())
        with pytest.raises(RecursionError):
            recurse(10, lambda: None)

    def resume(portal):
        try:
            finish(portal)
        except RecursionError:
            pass

    limit = sys.getrecursionlimit()
    before = left_in_a_portal()
    for _ in range(3):
        portal = suspended(recurse, limit * 7 // 10, wait_and_fail)
        recurse(limit * 7 // 10, lambda portal=portal: resume(portal))
        portal.close()
        assert left_in_a_portal() == before


class Calls:
    """Calls a function where its repr is asked for."""

    def __init__(self, function):
        self.function = function

    def __repr__(self):
        self.function()
        return "it"


def in_c_calls(levels, function):
    """Call a function so many calls in C deep."""
    value = Calls(function)
    for _ in range(levels):
        value = [value]
    try:
        return repr(value)
    finally:
        # To free the list at once nests as deeply.
        while isinstance(value, list):
            value = value[0]


def most_c_calls():
    """How many calls in C may nest from here."""
    low, high = 100, 400_000
    while high - low > 1:
        middle = (low + high) // 2
        try:
            in_c_calls(middle, lambda: None)
            low = middle
        except RecursionError:
            high = middle
    return low


@needs_a_count_of_c_calls
@counted_for_each_greenlet
def test_c_calls_of_the_resumer_do_not_count_in_a_step():
    levels = most_c_calls() * 8 // 10
    portal = _engine.open_call_portal(in_c_calls, (levels, lambda: None))
    in_c_calls(levels, lambda: finish(portal))


@needs_a_count_of_c_calls
@counted_for_each_greenlet
def test_c_calls_of_a_step_that_waits_do_not_count_outside():
    levels = most_c_calls() * 8 // 10
    portal = _engine.open_call_portal(in_c_calls, (levels, lambda: await_(trap())))
    portal.send(None)
    in_c_calls(levels, lambda: None)
    finish(portal)
    in_c_calls(levels, lambda: None)


@needs_a_count_of_c_calls
@counted_for_each_greenlet
def test_c_calls_of_a_step_that_waits_count_when_it_goes_on():
    levels = most_c_calls() * 8 // 10

    def sync():
        await_(trap())
        with pytest.raises(RecursionError):
            in_c_calls(levels, lambda: None)

    portal = _engine.open_call_portal(in_c_calls, (levels, sync))
    portal.send(None)
    finish(portal)


@needs_a_count_of_c_calls
@counted_for_each_greenlet
def test_c_recursion_in_a_portal_is_as_deep_as_outside():
    outside = most_c_calls()
    inside = []
    finish(_engine.open_call_portal(lambda: inside.append(most_c_calls()), ()))
    assert inside[0] > outside * 9 // 10, (inside, outside)
    if sys.version_info < (3, 14):
        assert abs(inside[0] - outside) < 100, (inside, outside)
