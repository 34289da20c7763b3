"""Contexts that synchronous code in a portal enters stay its own."""

import contextvars

import pytest
from support.context_variables import Trap, set_it, variable

from switchback import await_, with_portal_run_sync

pytestmark = pytest.mark.unknown_minor


def test_a_private_context_stays_private(library):
    def private():
        variable.set("private")
        await_(library.checkpoint())
        assert variable.get() == "private"
        await_(set_it(library, "private, by a coroutine"))
        return variable.get()

    def run():
        context = contextvars.copy_context()
        inside = context.run(private)
        await_(library.checkpoint())
        return inside, variable.get(), context[variable]

    assert library.run(with_portal_run_sync, run) == (
        "private, by a coroutine",
        "default",
        "private, by a coroutine",
    )


def test_nested_private_contexts_stay_apart(library):
    def enter(level):
        variable.set(level)
        await_(library.checkpoint())
        if level:
            contextvars.copy_context().run(enter, level - 1)
        await_(library.checkpoint())
        assert variable.get() == level

    def run():
        contextvars.copy_context().run(enter, 5)
        return variable.get()

    assert library.run(with_portal_run_sync, run) == "default"


def test_private_contexts_of_interleaved_tasks_stay_apart(library):
    def private(number):
        variable.set(number)
        for round in range(5):
            await_(library.sleep(((number * 7 + round) % 5) / 4000))
            assert variable.get() == number
        return variable.get()

    def run(number):
        variable.set(-number)
        result = contextvars.copy_context().run(private, number)
        assert variable.get() == -number
        return result

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(50)]
        return await library.gather(*calls), variable.get()

    assert library.run(main) == (list(range(50)), "default")


def test_variables_of_fifty_interleaved_tasks_stay_apart(library):
    def run(number):
        token = variable.set(number)
        for round in range(5):
            await_(library.sleep(((number * 7 + round) % 5) / 4000))
            assert variable.get() == number
            await_(set_it(library, number))
        variable.reset(token)
        return variable.get()

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(50)]
        return await library.gather(*calls)

    assert library.run(main) == ["default"] * 50


def test_a_private_context_that_is_entered_already_cannot_be_entered_again(library):
    context = contextvars.copy_context()

    async def main():
        waits, goes_on = library.event(), library.event()

        def hold():
            waits.set()
            await_(goes_on.wait())

        async def intrude():
            await waits.wait()
            with pytest.raises(RuntimeError, match="already entered"):
                context.run(lambda: None)
            goes_on.set()

        await library.gather(lambda: with_portal_run_sync(context.run, hold), intrude)
        return context.run(lambda: "free again")

    assert library.run(main) == "free again"


def test_a_private_context_is_left_when_an_exception_passes(library):
    context = contextvars.copy_context()

    async def fail():
        await library.checkpoint()
        raise KeyError

    def run():
        variable.set("outside")
        with pytest.raises(KeyError):
            context.run(lambda: await_(fail()))
        return variable.get(), context.run(variable.get)

    assert library.run(with_portal_run_sync, run) == ("outside", "default")


def test_a_private_context_is_left_when_the_portal_is_closed():
    context = contextvars.copy_context()
    portal = with_portal_run_sync(context.run, lambda: await_(Trap()))
    portal.send(None)
    with pytest.raises(RuntimeError, match="already entered"):
        context.run(lambda: None)
    portal.close()
    assert context.run(lambda: "free again") == "free again"


def test_the_context_of_the_driver_is_its_own_again_after_each_step():
    def private():
        variable.set("private")
        await_(Trap())
        variable.set("private, later")
        await_(Trap())

    def drive():
        variable.set("driver")
        portal = with_portal_run_sync(contextvars.copy_context().run, private)
        portal.send(None)
        first = variable.get()
        portal.send(None)
        second = variable.get()
        portal.close()
        return first, second, variable.get()

    assert contextvars.copy_context().run(drive) == ("driver", "driver", "driver")


@pytest.mark.chooses_native(
    reason="has to change how contexts are linked, of which the layout is not known elsewhere"
)
def test_a_private_context_is_kept_when_the_driver_changes_its_own():
    seen = []

    def private():
        variable.set("private")
        await_(Trap())
        seen.append(variable.get())

    def run():
        contextvars.copy_context().run(private)
        seen.append(variable.get())
        await_(Trap())
        seen.append(variable.get())

    portal = with_portal_run_sync(run)
    first, second = contextvars.copy_context(), contextvars.copy_context()
    first.run(variable.set, "first")
    second.run(variable.set, "second")
    first.run(portal.send, None)
    second.run(portal.send, None)
    with pytest.raises(StopIteration):
        first.run(portal.send, None)
    # After the private context is left, the caller's is that of the step, as of a coroutine.
    assert seen[0] == "private"
    assert seen[2] == "first"
    assert seen[1] == "second"
