"""Which backend a step runs on by default: it hangs on whether greenlet was imported, and when."""

from __future__ import annotations

import pytest
from support.greenlet_programs import check_program
from support.greenlet_users import copies_stacks, needs

pytestmark = [
    needs("greenlet"),
    copies_stacks,
    pytest.mark.in_child_process,
    pytest.mark.unknown_minor,
]


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_auto_is_the_default_and_native_without_greenlet():
    check_program("""
        assert switchback.settings.backend == "auto"

        def sync_fn():
            await_(asyncio.sleep(0))
            return running_on()

        async def main():
            await ensure_portal()
            return running_on()

        assert asyncio.run(with_portal_run_sync(sync_fn)) == "native"
        assert asyncio.run(main()) == "native"
        assert "greenlet" not in sys.modules
    """)


@pytest.mark.chooses_native(reason="chooses the native backend")
@pytest.mark.parametrize("first", ["greenlet", "switchback"])
def test_auto_is_greenlet_in_a_program_that_has_imported_it(first):
    check_program(
        """
        import greenlet

        assert switchback.settings.backend == "auto"

        def sync_fn():
            assert running_on() == "greenlet"
            await_(asyncio.sleep(0))
            return running_on()

        assert asyncio.run(with_portal_run_sync(sync_fn)) == "greenlet"
        """,
        first=f"import {first}\n",
    )


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_greenlet_imported_between_two_steps():
    check_program("""
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


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_greenlet_imported_while_a_portal_is_suspended():
    check_program("""
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


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_greenlet_imported_inside_a_step():
    check_program("""
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
                assert "greenlet" in str(greenlet.greenlet(below).switch())
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


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_greenlet_imported_among_many_suspended_portals():
    check_program("""
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


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_greenlet_that_cannot_be_imported_leaves_auto_native():
    check_program("""
        sys.modules["greenlet"] = None

        def sync_fn():
            await_(asyncio.sleep(0))
            return "done"

        assert switchback.settings.backend == "auto"
        assert asyncio.run(with_portal_run_sync(sync_fn)) == "done"
    """)
