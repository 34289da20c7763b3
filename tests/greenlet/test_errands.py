"""Whose errand it is what a greenlet does: of the step that has started it, and of no other."""

from __future__ import annotations

import textwrap

import pytest
from support.children import check_code
from support.greenlet_users import copies_stacks, needs

pytestmark = [
    copies_stacks,
    needs("greenlet"),
    pytest.mark.in_child_process,
    pytest.mark.chooses_native(reason="errands are run for stacks of ours"),
]

PRELUDE = textwrap.dedent("""
    import gc
    import sys

    import greenlet
    from support.by_hand import finish, suspended, trap

    import switchback
    from switchback import _engine, await_

    assert switchback.backend_in_use().name == "native"
""")


def test_a_greenlet_of_a_nested_portal_awaits_for_that_one_each_time():
    """From its second step on, the nested one asks the outer one to switch for it."""
    check_code(
        PRELUDE
        + textwrap.dedent("""
        def child():
            return [await_(trap(i)) for i in range(3)]

        def inner():
            return greenlet.greenlet(child).switch()

        def outer():
            portal = _engine.open_call_portal(inner, ())
            traps = [portal.send(None)]
            try:
                while True:
                    traps.append(portal.send(len(traps) * 10))
            except StopIteration as stop:
                return traps, stop.value

        portal = _engine.open_call_portal(outer, ())
        assert finish(portal) == ([0, 1, 2], [10, 20, 30])
        """)
    )


def test_what_is_refused_while_a_greenlet_is_dropped_is_not_raised_where_it_is_dropped():
    """The code that drops a greenlet goes on: what is raised meanwhile is told of elsewhere."""
    check_code(
        PRELUDE
        + textwrap.dedent("""
        kept, raised, unraisable = [], [], []
        sys.unraisablehook = lambda args: unraisable.append(str(args.exc_value))

        def child():
            try:
                greenlet.getcurrent().parent.switch()
            finally:
                kept.append(greenlet.getcurrent())
                try:
                    await_(trap("child"))
                except RuntimeError as error:
                    raised.append(str(error))

        def work():
            one = greenlet.greenlet(child)
            one.switch()
            del one
            return [len(word) for word in ("a", "bc")]

        portal = _engine.open_call_portal(work, ())
        assert portal.send(None) == "child"
        kept[0].switch()  # not by the portal
        assert finish(portal) == [1, 2]
        assert ["waits in await_()" in text for text in raised] == [True], raised
        assert ["waited in await_()" in text for text in unraisable] == [True], unraisable
        """)
    )
