"""Which backend a step runs on by default: native, whether greenlet was imported or not."""

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
        found = switchback.backend_in_use()
        assert found.name == "native" and found.why.startswith("CPython 3."), found
        assert "greenlet" not in found.why
    """)


@pytest.mark.chooses_native(reason="chooses the native backend")
@pytest.mark.parametrize("first", ["greenlet", "switchback"])
def test_auto_is_native_in_a_program_that_has_imported_greenlet(first):
    check_program(
        """
        import greenlet

        assert switchback.settings.backend == "auto"

        def sync_fn():
            assert running_on() == "native"
            await_(asyncio.sleep(0))
            return running_on()

        assert asyncio.run(with_portal_run_sync(sync_fn)) == "native"
        found = switchback.backend_in_use()
        assert found.name == "native" and "the program's greenlet" in found.why, found
        """,
        first=f"import {first}\n",
    )


@pytest.mark.chooses_native(reason="chooses the native backend")
@pytest.mark.parametrize("backend", ["native", "greenlet"])
def test_the_backend_in_use_is_the_one_that_is_set(backend):
    check_program(
        f"""
        import greenlet

        assert asyncio.run(with_portal_run_sync(running_on)) == "{backend}"
        assert switchback.backend_in_use() == ("{backend}", "switchback.settings.backend says so")
        """,
        backend=backend,
    )


def test_the_backend_in_use_where_there_is_no_native_one():
    check_program(
        """
        from switchback import _engine

        obstacle = _engine.native_obstacle()
        if obstacle is None:
            print("there is a native backend")
            sys.exit(77)
        for name in ("auto", "greenlet"):
            switchback.settings.backend = name
            assert switchback.backend_in_use() == ("greenlet", obstacle)
        """,
        backend="auto",  # a choice: without one, the import warns
    )


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_greenlet_imported_between_two_steps():
    check_program("""
        async def main():
            await ensure_portal()
            await_(asyncio.sleep(0))
            assert running_on() == "native"
            await asyncio.create_task(load())
            await_(asyncio.sleep(0))
            assert running_on() == "native"
            await asyncio.create_task(begins_later())

        async def load():
            import greenlet

        async def begins_later():
            await ensure_portal()
            assert running_on() == "native"

        asyncio.run(main())
        assert "greenlet" in sys.modules
    """)


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_greenlet_imported_while_a_portal_is_suspended():
    check_program("""
        def nested():
            await_(asyncio.sleep(0))
            return "awaited"

        def wait(event):
            await_(event.wait())
            import greenlet
            assert greenlet.greenlet(nested).switch() == "awaited"
            await_(asyncio.sleep(0))

        async def main():
            await ensure_portal()
            event = asyncio.Event()
            asyncio.get_running_loop().call_soon(load, event)
            wait(event)
            await asyncio.sleep(0)
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
                return await_(asyncio.sleep(0, "below"))

            def ask():
                return greenlet.getcurrent().parent.switch("question")

            for _ in range(3):
                await_(asyncio.sleep(0))
                assert running_on() == "native"
                assert greenlet.greenlet(below).switch() == "below"
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
            assert unused.switch() == "below"

        asyncio.run(main())
        assert "greenlet" in sys.modules
    """)


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_greenlet_imported_by_another_thread_while_steps_run_and_wait():
    check_program("""
        import threading

        def load():
            import greenlet

        def nested(number):
            return await_(asyncio.sleep(0.001, number))

        def wait(number):
            await_(event.wait())
            return sys.modules["greenlet"].greenlet(nested).switch(number)

        def run(number):
            thread = threading.Thread(target=load)
            thread.start()
            thread.join()
            event.set()
            return sys.modules["greenlet"].greenlet(nested).switch(number)

        async def main():
            global event
            event = asyncio.Event()
            functions = [wait, wait, run, wait]
            return await asyncio.gather(
                *[with_portal_run_sync(function, i) for i, function in enumerate(functions)]
            )

        assert asyncio.run(main()) == [0, 1, 2, 3]
        assert switchback.backend_in_use().name == "native"
    """)


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_greenlet_imported_among_many_suspended_portals():
    check_program("""
        import random

        def nested(number):
            await_(asyncio.sleep(delays.random() / 500))
            return number

        def old(number):
            await_(started.wait())
            for _ in range(10):
                await_(asyncio.sleep(delays.random() / 500))
            assert running_on() == "native"
            return sys.modules["greenlet"].greenlet(nested).switch(number)

        def new(number):
            import greenlet

            for _ in range(5):
                assert greenlet.greenlet(nested).switch(number) == number
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
        assert switchback.backend_in_use().name == "native"
    """)


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_an_import_of_greenlet_leaves_no_trace_of_the_watch():
    check_program("""
        import importlib.util

        spec = importlib.util.find_spec("greenlet")
        import greenlet

        for found in (greenlet.__spec__.loader, greenlet.__loader__):
            assert type(found).__module__.startswith(("importlib", "_frozen_importlib")), found
        assert spec.loader.path == greenlet.__file__
        assert importlib.util.find_spec("greenlet") is greenlet.__spec__
        import importlib
        importlib.reload(greenlet)
        assert switchback.backend_in_use().name == "native"
    """)


@pytest.mark.chooses_native(reason="chooses the native backend")
def test_greenlet_imported_twice_stays_taken_over():
    check_program("""
        import greenlet

        for name in [name for name in sys.modules if name.partition(".")[0] == "greenlet"]:
            del sys.modules[name]
        import greenlet as again

        assert again is not greenlet
        assert switchback.backend_in_use().name == "native"

        def nested():
            return await_(asyncio.sleep(0, "nested"))

        def sync_fn():
            return greenlet.greenlet(nested).switch(), again.greenlet(nested).switch()

        assert asyncio.run(with_portal_run_sync(sync_fn)) == ("nested", "nested")
    """)
