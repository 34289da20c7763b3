"""repr() of what another stack is printing is its text; that of what contains itself ends."""

from __future__ import annotations

import collections
import dataclasses
import functools
import gc
import reprlib
import sys
import threading
import types

import pytest
from support.by_hand import finish, suspended, trap

from switchback import _engine, await_


class Waits:
    """Waits in its repr(), where it is told to."""

    waits = True

    def __repr__(self):
        if self.waits:
            await_(trap())
        return "waits"

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__


class Resumes:
    """Resumes a portal in its repr()."""

    portal = None

    def __repr__(self):
        return repr(finish(self.portal))


@dataclasses.dataclass
class Data:
    value: object


class Keyed(dict):
    @reprlib.recursive_repr("{...}")
    def __repr__(self):
        return f"Keyed({dict(self)!r})"


def circle():
    circle = [1]
    circle.append(circle)
    return circle


MAKERS = {
    "list": lambda value: [value],
    "dict": lambda value: {1: value},
    "set": lambda value: {value},
    "deque": lambda value: collections.deque([value]),
    "dict view": lambda value: {1: value}.values(),
    "namespace": lambda value: types.SimpleNamespace(value=value),
    "partial": lambda value: functools.partial(print, value),
    "ordered dict": lambda value: collections.OrderedDict([(1, value)]),
    "dataclass": Data,
    "chain map": lambda value: collections.ChainMap({1: value}),
    "recursive_repr": lambda value: Keyed({1: value}),
}


@pytest.fixture(params=MAKERS)
def container(request):
    return MAKERS[request.param](Waits())


@pytest.fixture
def text(container, monkeypatch):
    """What it looks like where nothing waits."""
    with monkeypatch.context() as context:
        context.setattr(Waits, "waits", False)
        return repr(container)


def test_repr_in_many_portals_that_end_out_of_order(container, text):
    portals = [suspended(repr, container) for _ in range(50)]
    seen = [finish(portals[index * 7 % 50]) for index in range(50)]
    assert seen == [text] * 50


def test_repr_outside_of_the_portal_that_waits_in_one(container, text, monkeypatch):
    portal = suspended(repr, container)
    with monkeypatch.context() as context:
        context.setattr(Waits, "waits", False)
        assert repr(container) == text
    assert finish(portal) == text
    assert repr(circle()) == "[1, [...]]"


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_repr_that_leads_back_by_way_of_a_portal_ends(make):
    inner, outer = Resumes(), Resumes()
    container = make(inner)
    inner.portal = _engine.open_call_portal(lambda: repr(container), ())
    outer.portal = _engine.open_call_portal(lambda: repr(container), ())
    assert "..." in repr(outer)


def test_a_portal_that_waits_in_repr_still_finds_what_it_is_in():
    values = [Waits()]
    values.append(values)
    portals = [suspended(repr, values) for _ in range(3)]
    assert [finish(portal) for portal in portals] == ["[waits, [...]]"] * 3


def test_portals_inside_of_portals_have_each_their_own():
    values = [Waits()]

    def resume():
        inner = suspended(repr, values)
        await_(trap())
        return finish(inner), repr(circle())

    portals = [suspended(resume) for _ in range(3)]
    assert {finish(portal) for portal in reversed(portals)} == {("[waits]", "[1, [...]]")}


def test_a_resumer_in_a_repr_of_its_own_keeps_it():
    values = [Waits()]
    resumes = Resumes()
    own = [resumes]
    own.append(own)
    portal = suspended(lambda: (repr(values), repr(own[1:])))
    resumes.portal = portal
    # What the resumer is in is told in the portal, too.
    assert repr(own) == "[('[waits]', '[[...]]'), [...]]"


def test_a_portal_that_is_suspended_again_leaves_the_resumer_what_it_is_in():
    class Begins:
        def __repr__(self):
            portals.append(suspended(lambda: (await_(trap()), await_(trap()), repr(circle()))[2]))
            portals[-1].send(None)
            return "begins"

    portals = []
    own = [Begins()]
    own.append(own)
    assert repr(own) == "[begins, [...]]"
    assert finish(portals[0]) == "[1, [...]]"


def test_repr_that_ends_with_an_exception_leaves_nothing():
    values = [Waits()]
    portals = [suspended(repr, values) for _ in range(2)]
    with pytest.raises(LookupError):
        portals[0].throw(LookupError)
    portals[1].close()
    assert finish(suspended(repr, values)) == "[waits]"


def test_a_portal_that_waits_in_repr_keeps_no_more_references():
    values = [Waits()]
    before = sys.getrefcount(values)
    for _ in range(3):
        portals = [suspended(repr, values) for _ in range(20)]
        for portal in portals:
            portal.close()
        del portal, portals
    gc.collect()
    assert sys.getrefcount(values) == before


@pytest.mark.threads
def test_each_thread_has_its_own():
    values = [Waits()]
    portal = suspended(repr, values)
    seen = []

    def work():
        other = suspended(repr, values)
        seen.append(finish(suspended(repr, values)))
        seen.append(finish(other))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["[waits]"] * 6
    assert finish(portal) == "[waits]"


@pytest.mark.threads
def test_a_thread_may_end_while_portals_wait_in_repr():
    values, ends = [Waits()], []

    def work():
        def note():
            try:
                repr(values)
            finally:
                ends.append(repr(circle()))

        portals.extend(suspended(note) for _ in range(3))

    portals = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ends == ["[1, [...]]"] * 3


@pytest.mark.threads
def test_a_thread_leaves_no_list_of_reprs_behind():
    lists = []

    class Looks:
        def __repr__(self):
            lists.extend(found for found in gc.get_referrers(values) if type(found) is list)
            return ""

    values = [Looks()]
    thread = threading.Thread(
        target=lambda: finish(suspended(lambda: (await_(trap()), repr(values))))
    )
    thread.start()
    thread.join()
    found = lists.pop()
    assert not lists
    other = []
    assert sys.getrefcount(found) == sys.getrefcount(other)
