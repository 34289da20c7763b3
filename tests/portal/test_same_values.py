"""await_() returns what `await` would return in its place, the same object."""

import pytest
from support.coroutines import give

from switchback import await_, with_portal_run_sync

VALUES = [
    None,
    0,
    "text",
    (),
    (1, 2),
    (None,),
    ValueError("as a value"),
    StopIteration("as a value"),
    StopIteration,
    ExceptionGroup("as a value", [ValueError()]),
    [],
    NotImplemented,
    Ellipsis,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_returned_after_a_checkpoint_is_the_same_object(library, value):
    def run():
        return await_(give(library, value))

    assert library.run(with_portal_run_sync, run) is value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_returned_without_a_checkpoint_is_the_same_object(library, value):
    async def give_at_once():
        return value

    def run():
        return await_(give_at_once())

    assert library.run(with_portal_run_sync, run) is value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_returned_by_the_portal_itself_is_the_same_object(library, value):
    def run():
        await_(library.checkpoint())
        return value

    assert library.run(with_portal_run_sync, run) is value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_returned_by_a_portal_that_never_suspends_is_the_same_object(library, value):
    assert library.run(with_portal_run_sync, lambda: value) is value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_send_reports_the_value_as_that_of_a_coroutine(value):
    portal = with_portal_run_sync(lambda: value)
    with pytest.raises(StopIteration) as caught:
        portal.send(None)
    assert caught.value.value is value


def test_values_sent_and_yielded_pass_through_unchanged():
    class Trap:
        def __init__(self, value):
            self.value = value

        def __await__(self):
            return (yield self.value)

    async def wait_twice():
        return await Trap((1, 2)), await Trap(StopIteration(5))

    def run():
        return await_(wait_twice())

    portal = with_portal_run_sync(run)
    assert portal.send(None) == (1, 2)
    trapped = portal.send((3, 4))
    assert type(trapped) is StopIteration and trapped.value == 5
    with pytest.raises(StopIteration) as caught:
        portal.send(ValueError("sent"))
    first, second = caught.value.value
    assert first == (3, 4)
    assert repr(second) == "ValueError('sent')"
