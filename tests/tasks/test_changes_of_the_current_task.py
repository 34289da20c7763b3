"""await_() suspends its portal only while the task of that is the innermost: changes are noticed.

Event loops make such changes as they run. Here they are made by hand, one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import pytest
from support.by_hand import finish, suspended, trap
from support.children import check_code
from support.threads import in_thread

import switchback
from switchback import _engine, await_, ensure_portal


def check_refused():
    with pytest.raises(switchback.NoPortalError):
        await_(trap())
    assert not _engine.has_active_portal()


def checkpoint():
    await_(asyncio.sleep(0))
    assert _engine.has_active_portal()


def in_a_portal_of_a_task(function):
    async def main():
        await ensure_portal()
        # The tasks are compared by what is cheapest only once all is known of the loop.
        for _ in range(3):
            checkpoint()
        function()
        checkpoint()

    asyncio.run(main())


@contextlib.contextmanager
def running_loop(loop):
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)


@contextlib.contextmanager
def current_task(task):
    loop = asyncio.get_running_loop()
    outer = asyncio.current_task()
    asyncio.tasks._leave_task(loop, outer)
    if task is not None:
        asyncio.tasks._enter_task(loop, task)
    try:
        yield
    finally:
        if task is not None:
            asyncio.tasks._leave_task(loop, task)
        asyncio.tasks._enter_task(loop, outer)


def test_another_running_loop_is_noticed():
    def sync():
        other = asyncio.new_event_loop()
        for loop in (None, other):
            with running_loop(loop):
                check_refused()
            checkpoint()
        other.close()

    in_a_portal_of_a_task(sync)


def test_another_current_task_is_noticed():
    async def other():
        pass

    def sync():
        task = asyncio.get_running_loop().create_task(other())
        with current_task(task):
            check_refused()
        checkpoint()

    in_a_portal_of_a_task(sync)


def test_another_current_task_is_noticed_by_a_coroutine():
    async def other():
        pass

    async def native():
        await trap()

    def sync():
        task = asyncio.get_running_loop().create_task(other())
        with current_task(task), pytest.raises(switchback.NoPortalError):
            await_(native())
        checkpoint()

    in_a_portal_of_a_task(sync)


def test_a_loop_without_a_task_stands_for_its_callback():
    def sync():
        with current_task(None):
            check_refused()
        checkpoint()

    in_a_portal_of_a_task(sync)


def test_a_portal_that_begins_in_a_callback_suspends_in_it_alone():
    async def main():
        done = asyncio.get_running_loop().create_future()

        def sync():
            await_(trap())
            for loop in (None, other):
                with running_loop(loop):
                    check_refused()
            await_(trap())

        def callback():
            assert asyncio.current_task() is None
            finish(suspended(sync))
            done.set_result(None)

        other = asyncio.new_event_loop()
        asyncio.get_running_loop().call_soon(callback)
        await done
        other.close()

    asyncio.run(main())


@pytest.fixture
def trio_context():
    trio = pytest.importorskip("trio")
    return trio._core._run.GLOBAL_RUN_CONTEXT


@contextlib.contextmanager
def task_of_trio(context, task):
    before = vars(context).copy()
    context.task = task
    try:
        yield
    finally:
        vars(context).clear()
        vars(context).update(before)


def test_another_current_task_of_trio_is_noticed(trio_context):
    def sync():
        await_(trap())
        with task_of_trio(trio_context, object()):
            check_refused()
        await_(trap())

    with task_of_trio(trio_context, object()):
        portal = suspended(sync)
        portal.send(None)
        finish(portal)
    # Also where none was current before.
    finish(suspended(sync))


def test_tasks_of_trio_are_those_of_the_thread(trio_context):
    def sync():
        await_(trap())
        with task_of_trio(trio_context, object()):
            check_refused()

    def check():
        with task_of_trio(trio_context, object()):
            portal = suspended(sync)
            in_thread(finish, suspended_elsewhere.pop())
            finish(portal)

    async def native():
        await trap()

    suspended_elsewhere = [_engine.open_portal(native()) for _ in range(4)]
    for portal in suspended_elsewhere:
        portal.send(None)
    # What was read in one thread last is not taken for another one's.
    check()
    in_thread(check)
    check()


def test_a_framework_registered_in_a_step_is_not_compared_in_it():
    code = """
    from support.by_hand import finish, suspended, trap
    from switchback import _engine, await_

    task = object()

    def sync():
        await_(trap())
        # It has a task already.
        _engine.add_framework(lambda: task)
        await_(trap())

    portal = suspended(sync)
    portal.send(None)
    finish(portal)
    """
    check_code(code)


def test_functions_of_asyncio_that_are_replaced_are_asked():
    """As in a program that has replaced them by others, written in Python."""
    code = """
    import asyncio
    import asyncio.events
    import asyncio.tasks

    calls = []

    def get_running_loop():
        calls.append("loop")
        return loops[-1]

    class Tasks(dict):
        pass

    loops = ["a loop"]
    asyncio.events._get_running_loop = get_running_loop
    asyncio.tasks._current_tasks = Tasks({"a loop": "a task"})
    asyncio.tasks.current_task = lambda loop: asyncio.tasks._current_tasks.get(loop)

    from support.by_hand import finish, suspended, trap
    import switchback
    from switchback import await_

    def check_refused():
        try:
            await_(trap())
        except switchback.NoPortalError:
            return
        raise AssertionError("not noticed")

    def sync():
        await_(trap())
        loops.append("another loop")
        check_refused()
        loops.pop()
        await_(trap())
        for changed in ("another task", None):
            asyncio.tasks._current_tasks["a loop"] = changed
            check_refused()
        asyncio.tasks._current_tasks["a loop"] = "a task"
        await_(trap())

    portal = suspended(sync)
    portal.send(None)
    portal.send(None)
    finish(portal)
    assert calls
    """
    check_code(code)


def test_functions_of_asyncio_that_take_arguments_are_not_called_without():
    check_code(
        """
        import asyncio
        import asyncio.events

        # Written in C, and of another kind than what they replace.
        asyncio.events._get_running_loop = {}.__contains__

        from support.by_hand import finish, suspended, trap
        from switchback import await_

        portal = suspended(lambda: (await_(trap()), await_(trap())))
        portal.send(None)
        finish(portal)
        """
    )


@pytest.mark.minor(since="3.14", reason="up to 3.13 each change of sys.modules is noticed")
def test_a_framework_is_found_that_was_looked_for_amid_its_import(tmp_path):
    """Where the last change of sys.modules has been noticed before the module is complete."""
    package = tmp_path / "trio" / "_core"
    package.mkdir(parents=True)
    (tmp_path / "trio" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "_run.py").write_text(
        "import threading, __main__\n__main__.other.send(None)\n"
        "GLOBAL_RUN_CONTEXT = threading.local()\n"
    )
    check_code(
        f"""
        import sys
        import threading

        sys.path.insert(0, {str(tmp_path)!r})
        from support.by_hand import finish, suspended, trap
        import switchback
        from switchback import await_

        def sync():
            await_(trap())
            import trio._core._run as run
            run.GLOBAL_RUN_CONTEXT.task = object()
            try:
                await_(trap())
            except switchback.NoPortalError:
                return "refused"

        other = suspended(lambda: [await_(trap()) for _ in range(3)])
        assert finish(suspended(sync)) == "refused"
        """
    )


def test_a_task_that_holds_its_coroutine_twice_is_refused():
    class Task:
        __slots__ = ("again", "coroutine")

    task, held = Task(), object()
    task.coroutine = task.again = held
    with pytest.raises(RuntimeError, match="in more than one field"):
        _engine.TaskSlot(task, held)
    task.again = None
    slot = _engine.TaskSlot(task, held)
    slot.replace(task, held, "another")
    assert task.coroutine == "another"


def test_a_task_of_another_type_is_not_written_to():
    class Task:
        __slots__ = ("coroutine",)

    class Other:
        __slots__ = ("coroutine",)

    task, other = Task(), Other()
    task.coroutine = other.coroutine = held = object()
    slot = _engine.TaskSlot(task, held)
    with pytest.raises(TypeError, match="expected a task of type Task, not Other"):
        slot.replace(other, held, "another")
    assert other.coroutine is held


def test_a_coroutine_that_is_replaced_is_let_go_of():
    class Task:
        __slots__ = ("coroutine",)

    task = Task()
    old, new = object(), object()
    before = sys.getrefcount(old), sys.getrefcount(new)
    task.coroutine = old
    slot = _engine.TaskSlot(task, old)
    slot.replace(task, old, new)
    assert sys.getrefcount(old) == before[0]
    assert sys.getrefcount(new) == before[1] + 1
    del task, slot
    assert (sys.getrefcount(old), sys.getrefcount(new)) == before
