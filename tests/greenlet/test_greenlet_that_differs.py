"""A greenlet that is not as known is left as it is: portals fall back to the greenlet backend."""

from __future__ import annotations

import pytest
from support.greenlet_programs import check_program
from support.greenlet_that_differs import PRETENCES
from support.greenlet_users import copies_stacks, needs

pytestmark = [
    needs("greenlet"),
    copies_stacks,
    pytest.mark.in_child_process,
    pytest.mark.chooses_native(reason="elsewhere no greenlet is looked at"),
]

PRETEND = "from support.greenlet_that_differs import pretend\npretend({what!r})\n"
OTHER = PRETEND.format(what="flags of switch")

#: Without a table there is no greenlet backend either.
USABLE = sorted(set(PRETENCES) - {"no table"})
#: Methods work as they did.
WHOLE = sorted(set(USABLE) - {"no function of throw"})


def check_with_other(body, first=""):
    return check_program(body, first=OTHER + first)


@pytest.mark.parametrize("first", ["import greenlet\n", ""])
@pytest.mark.parametrize("what", USABLE)
def test_portals_fall_back_to_greenlet(what, first):
    check_program(
        """
        import greenlet

        assert switchback.settings.backend == "auto"

        def sync_fn():
            assert running_on() == "greenlet"
            await_(asyncio.sleep(0))
            return running_on()

        found = switchback.backend_in_use()
        assert found.name == "greenlet" and "not what is expected" in found.why, found
        assert asyncio.run(with_portal_run_sync(sync_fn)) == "greenlet"
        """,
        first=PRETEND.format(what=what) + first,
    )


def test_a_greenlet_without_a_table_says_so():
    check_program(
        """
        import greenlet

        found = switchback.backend_in_use()
        assert found.name == "greenlet" and "no C API" in found.why, found
        """,
        first=PRETEND.format(what="no table"),
    )


@pytest.mark.parametrize("what", WHOLE)
def test_greenlets_of_portals_await_as_on_greenlet(what):
    check_program(
        """
        import greenlet

        def nested(depth):
            if depth:
                return greenlet.greenlet(nested).switch(depth - 1) + 1
            try:
                await_(asyncio.sleep(0.001))
                greenlet.getcurrent().throw(KeyError)
            except KeyError:
                return await_(asyncio.sleep(0, 10))

        async def main():
            return await asyncio.gather(
                *[with_portal_run_sync(nested, i % 4) for i in range(20)]
            )

        assert asyncio.run(main()) == [10 + i % 4 for i in range(20)]
        """,
        first=PRETEND.format(what=what),
    )


def test_one_imported_between_two_steps():
    check_with_other("""
        async def main():
            await ensure_portal()
            await_(asyncio.sleep(0))
            assert running_on() == "native"
            await asyncio.create_task(load())
            # Nothing of it is on a stack of ours, and no greenlet can have been started there.
            assert running_on() == "greenlet"
            await_(asyncio.sleep(0))
            assert running_on() == "greenlet"
            await asyncio.create_task(begins_later())

        async def load():
            import greenlet

        async def begins_later():
            await ensure_portal()
            assert running_on() == "greenlet"

        asyncio.run(main())
    """)


def test_one_imported_while_a_portal_is_suspended():
    check_with_other("""
        def wait(event):
            assert running_on() == "native"
            await_(event.wait())
            assert running_on() == "native"  # as long as that call of await_() and that step last
            await_(asyncio.sleep(0))
            assert running_on() == "native"

        async def main():
            await ensure_portal()
            event = asyncio.Event()
            asyncio.get_running_loop().call_soon(load, event)
            wait(event)
            await asyncio.sleep(0)
            assert running_on() == "native"
            event.clear()
            asyncio.get_running_loop().call_soon(event.set)
            await_(event.wait())
            assert running_on() == "native"

        def load(event):
            import greenlet
            event.set()

        asyncio.run(main())
    """)


def test_one_imported_inside_a_step():
    """The step stays on a stack of ours, and greenlets that it starts cannot await."""
    check_with_other("""
        def use():
            import greenlet

            def below():
                try:
                    await_(asyncio.sleep(0))
                except NoPortalError as error:
                    return error

            def ask():
                return greenlet.getcurrent().parent.switch("question")

            for _ in range(3):
                await_(asyncio.sleep(0))
                assert running_on() == "native"
                message = str(greenlet.greenlet(below).switch())
                assert "settings.backend to 'greenlet'" in message, message
                assert "greenlet is of another kind" in message, message
                asking = greenlet.greenlet(ask)
                assert asking.switch() == "question"
                await_(asyncio.sleep(0))
                assert asking.switch("answer") == "answer"
            return greenlet.greenlet(below)

        async def main():
            await ensure_portal()
            unused = use()
            await asyncio.sleep(0)
            assert running_on() == "native"
            assert "greenlet" in str(unused.switch())

        asyncio.run(main())
        assert "greenlet" in sys.modules
    """)


def test_one_imported_among_many_suspended_portals():
    check_with_other("""
        import random

        def old(number):
            await_(started.wait())
            for _ in range(10):
                await_(asyncio.sleep(delays.random() / 500))
            assert running_on() == "native"
            return number

        def new(number):
            import greenlet

            def nested():
                await_(asyncio.sleep(delays.random() / 500))
                return number

            for _ in range(5):
                assert greenlet.greenlet(nested).switch() == number
                await_(asyncio.sleep(delays.random() / 500))
            return number

        async def main():
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(with_portal_run_sync(old, i)) for i in range(50)]
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                import greenlet
                tasks += [group.create_task(with_portal_run_sync(new, i)) for i in range(50)]
                started.set()
            assert [task.result() for task in tasks] == [*range(50), *range(50)]

        delays = random.Random(1)
        started = asyncio.Event()
        asyncio.run(main())
    """)


def test_await_inside_a_nested_greenlet_on_native_is_refused():
    """Where the native backend was asked for: with an error that says what to do."""
    check_with_other("""
        import greenlet
        switchback.settings.backend = "native"
        closed = []

        async def wait():
            try:
                await asyncio.sleep(1)
            finally:
                closed.append(True)

        def nested():
            assert not switchback.has_portal()
            try:
                await_(wait())
            except NoPortalError as error:
                return str(error)

        def sync_fn():
            await_(asyncio.sleep(0))
            messages = [greenlet.greenlet(nested).switch() for _ in range(3)]
            assert switchback.has_portal()
            await_(asyncio.sleep(0))
            return messages

        async def main():
            messages = await with_portal_run_sync(sync_fn)
            await ensure_portal()
            messages += sync_fn()
            await asyncio.sleep(0)
            return messages + sync_fn()

        messages = asyncio.run(main())
        assert len(messages) == len(closed) == 9
        for message in messages:
            assert "greenlet is of another kind" in message, message
            assert "switchback.settings.backend to 'greenlet'" in message, message
    """)


def test_one_made_in_the_step_that_imports_greenlet_is_noticed():
    check_with_other("""
        from support.by_hand import finish, suspended, trap

        switchback.settings.backend = "native"

        def sync():
            await_(trap())
            import greenlet

            def inside():
                try:
                    await_(trap())
                except NoPortalError:
                    return "refused"

            assert greenlet.greenlet(inside).switch() == "refused"

        finish(suspended(sync))
    """)


def test_one_imported_without_our_being_told_is_left_as_it_is():
    """Where a portal had begun: a greenlet may have been started on its stack."""
    check_program("""
        async def load():
            watchers = sys.meta_path[:]
            sys.meta_path[:] = [one for one in watchers if "switchback" not in repr(one)]
            import greenlet
            sys.meta_path[:] = watchers

        asyncio.run(with_portal_run_sync(lambda: await_(load())))
        found = switchback.backend_in_use()
        assert found.name == "greenlet" and "import it before" in found.why, found
        assert asyncio.run(with_portal_run_sync(running_on)) == "greenlet"
    """)


def test_one_imported_without_our_being_told_before_any_portal_is_taken_over():
    check_program("""
        watchers = sys.meta_path[:]
        sys.meta_path[:] = [one for one in watchers if "switchback" not in repr(one)]
        import greenlet
        sys.meta_path[:] = watchers

        def nested():
            return await_(asyncio.sleep(0, running_on()))

        def sync_fn():
            return running_on(), greenlet.greenlet(nested).switch()

        assert asyncio.run(with_portal_run_sync(sync_fn)) == ("native", "greenlet")
        assert switchback.backend_in_use().name == "native"
    """)


def test_one_that_differs_and_a_portal_inside_another():
    """On a stack of ours: the inner one begins there too, whatever is set."""
    check_with_other("""
        from support.by_hand import finish, suspended, trap
        from switchback import _engine

        def outer():
            await_(trap())
            import greenlet

            portals = []
            for name in ("auto", "greenlet"):
                switchback.settings.backend = name
                portals.append(suspended(inner, greenlet.getcurrent()))
            assert [finish(portal) for portal in portals] == ["done"] * 2

        def inner(outside):
            for _ in range(2):
                assert sys.modules["greenlet"].getcurrent() is outside
                await_(trap())
            return "done"

        finish(suspended(outer))
    """)
