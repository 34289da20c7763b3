"""Objects in portals are freed when the last reference goes, whatever is being freed elsewhere.

The interpreter bounds how deeply the freeing of containers nests, and puts off what is deeper: up
to 3.12 by a counter, then by the room on the C stack.
"""

import weakref

from support.by_hand import finish, trap

from switchback import _engine, await_


class Token:
    pass


def frees_at_once(levels=500):
    token = Token()
    reference = weakref.ref(token)
    value = [token]
    del token
    for _ in range(levels):
        value = [value]
    del value
    return reference() is None


class AtEnd:
    """Calls a function as it is freed."""

    def __init__(self, function):
        self.function = function

    def __del__(self):
        self.function()


def free(function):
    """Call a function while a nested list is being freed."""
    value = [[[[AtEnd(function)]]]]
    del value


def in_portal(function):
    finish(_engine.open_call_portal(function, ()))


def test_a_portal_that_waits_in_a_finalizer_keeps_nobody_from_freeing():
    assert frees_at_once()
    portals = [_engine.open_call_portal(free, (lambda: await_(trap()),)) for _ in range(3)]
    for portal in portals:
        portal.send(None)
        assert frees_at_once()
    for portal in portals:
        finish(portal)
        assert frees_at_once()


def test_a_step_frees_at_once_whatever_its_resumer_is_freeing():
    seen = []
    free(lambda: in_portal(lambda: seen.append(frees_at_once())))
    assert seen == [True]
    assert frees_at_once()


def test_a_step_that_waits_in_a_finalizer_goes_on_freeing_as_before():
    seen = []

    def at_end():
        seen.append(frees_at_once())
        await_(trap())
        seen.append(frees_at_once())

    portal = _engine.open_call_portal(free, (at_end,))
    portal.send(None)
    finish(portal)
    assert seen[0] == seen[1]


def test_objects_are_freed_at_once_in_a_step():
    seen = []

    def sync():
        seen.append(frees_at_once())
        await_(trap())
        seen.append(frees_at_once())

    portal = _engine.open_call_portal(sync, ())
    portal.send(None)
    assert frees_at_once()
    finish(portal)
    assert seen == [True, True]
    assert frees_at_once()


def test_objects_are_freed_at_once_in_a_step_after_an_inner_one():
    seen = []

    def outer():
        for _ in range(3):
            in_portal(lambda: seen.append(frees_at_once()))
            seen.append(frees_at_once())

    in_portal(outer)
    assert seen == [True] * 6
    assert frees_at_once()
