"""Which backend a step runs on, and what the greenlet backend does with greenlets of the program.

What hangs on whether greenlet has been imported runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest
from conftest import without_running_loop

import switchback
from switchback import (
    NoPortalError,
    _engine,
    await_,
    ensure_portal,
    has_portal,
    with_portal_run,
    with_portal_run_sync,
)


@pytest.fixture(scope="module", autouse=True)
def import_greenlet():
    # Not before: what has been imported changes how other tests' portals run.
    global greenlet
    greenlet = pytest.importorskip("greenlet")


variable = contextvars.ContextVar("variable", default="unset")

PRELUDE = """
import asyncio
import sys

import switchback
from switchback import (
    NoPortalError, await_, ensure_portal, with_portal_run, with_portal_run_sync
)

def running_on():
    '''The backend of the portal whose code calls this.'''
    greenlet = sys.modules.get("greenlet")
    switched = greenlet is not None and greenlet.getcurrent().parent is not None
    return "greenlet" if switched else "native"

"""


def run_child(body, backend=None, prelude=PRELUDE):
    """Run Python code in a new process; return its exit code and what it has printed."""
    environment = {**os.environ, "SWITCHBACK_BACKEND": backend or ""}
    if backend is None:
        del environment["SWITCHBACK_BACKEND"]
    child = subprocess.run(
        [
            sys.executable,
            "-X",
            "faulthandler",
            "-W",
            "error",
            "-c",
            prelude + textwrap.dedent(body),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        env=environment,
    )
    return child.returncode, child.stdout


def check_child(body, backend=None, prelude=PRELUDE):
    """Run Python code in a new process, which has to end well; return what it has printed."""
    code, output = run_child(body, backend, prelude)
    assert code == 0, f"exit code {code}\n{output[-20_000:]}"
    assert "Exception ignored" not in output, output[-20_000:]
    return output


@pytest.fixture(params=["native", "greenlet"])
def backend(request, monkeypatch):
    """Each of the backends in turn, whichever the tests run on."""
    monkeypatch.setattr(switchback.settings, "backend", request.param)
    return request.param


@pytest.fixture
def on_greenlet(monkeypatch):
    monkeypatch.setattr(switchback.settings, "backend", "greenlet")


@pytest.fixture
def on_native(monkeypatch):
    monkeypatch.setattr(switchback.settings, "backend", "native")


def running_on():
    """The backend of the portal whose code calls this."""
    return "greenlet" if greenlet.getcurrent().parent is not None else "native"


# The choice


def test_auto_is_the_default_and_native_without_greenlet():
    check_child("""
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


@pytest.mark.parametrize("first", ["greenlet", "switchback"])
def test_auto_is_greenlet_in_a_program_that_has_imported_it(first):
    check_child(
        """
        import greenlet

        assert switchback.settings.backend == "auto"

        def sync_fn():
            assert running_on() == "greenlet"
            await_(asyncio.sleep(0))
            return running_on()

        assert asyncio.run(with_portal_run_sync(sync_fn)) == "greenlet"
        """,
        prelude=f"import {first}\n" + PRELUDE,
    )


def test_greenlet_imported_between_two_steps():
    check_child("""
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


def test_greenlet_imported_while_a_portal_is_suspended():
    check_child("""
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


def test_greenlet_imported_inside_a_step():
    check_child("""
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


def test_greenlet_imported_among_many_suspended_portals():
    check_child("""
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


def test_greenlet_that_cannot_be_imported_leaves_auto_native():
    check_child("""
        sys.modules["greenlet"] = None

        def sync_fn():
            await_(asyncio.sleep(0))
            return "done"

        assert switchback.settings.backend == "auto"
        assert asyncio.run(with_portal_run_sync(sync_fn)) == "done"
    """)


@pytest.mark.parametrize("name", ["auto", "native", "greenlet"])
def test_the_backend_can_be_set(name, monkeypatch):
    monkeypatch.setattr(switchback.settings, "backend", name)
    assert switchback.settings.backend == name

    def sync_fn():
        first = running_on()
        await_(asyncio.sleep(0))
        return first, running_on()

    expected = "native" if name == "native" else "greenlet"  # this module imports greenlet
    assert asyncio.run(with_portal_run_sync(sync_fn)) == (expected, expected)


def test_a_new_setting_counts_for_portals_that_begin_later(monkeypatch):
    monkeypatch.setattr(switchback.settings, "backend", "native")

    def sync_fn():
        assert running_on() == "native"
        switchback.settings.backend = "greenlet"
        await_(asyncio.sleep(0))
        assert running_on() == "native"

    async def begins_later():
        await ensure_portal()
        assert running_on() == "greenlet"
        switchback.settings.backend = "native"
        await_(asyncio.sleep(0))
        assert running_on() == "greenlet"

    async def main():
        await ensure_portal()
        sync_fn()
        await asyncio.sleep(0)
        assert running_on() == "native"
        await asyncio.create_task(begins_later())

    asyncio.run(main())


def test_a_portal_inside_one_on_native_runs_on_native_too(monkeypatch):
    """greenlet must not come to copy a stack of ours."""
    monkeypatch.setattr(switchback.settings, "backend", "native")

    def outer():
        switchback.settings.backend = "greenlet"
        inner = with_portal_run_sync(running_on_after_await)
        return await_(inner)

    def running_on_after_await():
        await_(asyncio.sleep(0))
        return running_on()

    assert asyncio.run(with_portal_run_sync(outer)) == "native"


@pytest.mark.parametrize(
    "name", ["", "Native", "greenlets", "auto ", "native\0", "nativ\N{KELVIN SIGN}"]
)
def test_other_names_are_refused(name):
    before = switchback.settings.backend
    with pytest.raises(ValueError, match="one of 'auto', 'native' and 'greenlet', not ") as caught:
        switchback.settings.backend = name
    assert repr(name) in str(caught.value)
    assert switchback.settings.backend == before


@pytest.mark.parametrize("name", [None, 1, b"native"])
def test_what_is_not_a_name_is_refused(name):
    before = switchback.settings.backend
    with pytest.raises(TypeError):
        switchback.settings.backend = name
    assert switchback.settings.backend == before


def test_the_setting_cannot_be_deleted():
    with pytest.raises(AttributeError):
        del switchback.settings.backend
    assert switchback.settings.backend in ("auto", "native", "greenlet")


@pytest.mark.parametrize("name", ["", "auto", "native", "greenlet"])
def test_the_environment_variable(name):
    output = check_child(
        """
        print(switchback.settings.backend, asyncio.run(with_portal_run_sync(running_on)))
        import greenlet
        print(asyncio.run(with_portal_run_sync(running_on)))
        """,
        backend=name,
    )
    assert (
        output.split()
        == {
            "": ["auto", "native", "greenlet"],
            "auto": ["auto", "native", "greenlet"],
            "native": ["native", "native", "native"],
            "greenlet": ["greenlet", "greenlet", "greenlet"],
        }[name]
    )


def test_an_invalid_environment_variable():
    code, output = run_child("", backend="stackless")
    assert code == 1
    assert output.strip().splitlines()[-1] == (
        "ValueError: SWITCHBACK_BACKEND: the backend is one of 'auto', 'native' and 'greenlet', "
        "not 'stackless'"
    )


def test_the_program_can_override_the_environment_variable():
    check_child(
        """
        import greenlet
        switchback.settings.backend = "auto"
        assert asyncio.run(with_portal_run_sync(running_on)) == "greenlet"
        """,
        backend="native",
    )


def test_the_greenlet_backend_without_greenlet():
    output = check_child("""
        sys.modules["greenlet"] = None
        try:
            switchback.settings.backend = "greenlet"
        except RuntimeError as error:
            print(error)
        assert switchback.settings.backend == "auto"
        assert asyncio.run(with_portal_run_sync(lambda: await_(asyncio.sleep(0, 1)))) == 1
    """)
    assert "pip install greenlet" in output


def test_the_environment_variable_without_greenlet():
    code, output = run_child(
        "", backend="greenlet", prelude="import sys; sys.modules['greenlet'] = None\n" + PRELUDE
    )
    assert code == 1
    last = output.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: ")
    assert "pip install greenlet" in last


@pytest.mark.xfail(strict=True, reason="stacks used after the import of greenlet are not reused")
@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_memory_of_eager_portals_under_one_that_began_natively():
    """They begin in the middle of its step, on native; their stacks are reused."""
    check_child("""
        def call():
            await_(asyncio.sleep(0))

        async def child():
            await with_portal_run_sync(call)

        def pages():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[0])

        async def main():
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            await ensure_portal()
            import greenlet

            before = None
            for count in range(300):
                if count == 100:
                    before = pages()
                await asyncio.create_task(child())
            assert pages() - before < 20 * 2000, pages() - before

        asyncio.run(main())
    """)


# await_() inside greenlets of the program


def test_await_inside_nested_greenlets(library, on_greenlet):
    seen = []

    def inner(outer):
        seen.append("inner begins")
        await_(library.sleep(0.001))
        seen.append("inner goes on")
        assert has_portal()
        assert outer.switch("from inner") == "to inner"
        await_(library.checkpoint())
        seen.append("inner ends")
        return "inner's result"

    def outer():
        await_(library.checkpoint())
        child = greenlet.greenlet(inner)
        assert child.switch(greenlet.getcurrent()) == "from inner"
        await_(library.checkpoint())
        seen.append("between")
        assert greenlet.getcurrent().parent.switch("from outer") == "to outer"
        await_(library.checkpoint())
        return child.switch("to inner")

    def sync_fn():
        child = greenlet.greenlet(outer)
        assert child.switch() == "from outer"
        await_(library.sleep(0.001))
        seen.append("in the portal")
        return child.switch("to outer")

    async def main():
        for _ in range(2):
            assert await with_portal_run_sync(sync_fn) == "inner's result"
        await ensure_portal()
        return sync_fn()

    assert library.run(main) == "inner's result"
    once = ["inner begins", "inner goes on", "between", "in the portal", "inner ends"]
    assert seen == once * 3


def test_exceptions_of_await_inside_a_nested_greenlet(library, on_greenlet):
    async def fail():
        await library.checkpoint()
        raise KeyError("reason")

    def nested():
        with pytest.raises(KeyError):
            await_(fail())
        await_(library.checkpoint())
        await_(fail())

    def sync_fn():
        with pytest.raises(KeyError, match="reason"):
            greenlet.greenlet(nested).switch()
        await_(library.checkpoint())
        return "done"

    async def main():
        return await with_portal_run_sync(sync_fn)

    assert library.run(main) == "done"


def test_cancellation_inside_a_nested_greenlet(on_greenlet):
    seen = []

    def nested():
        try:
            await_(asyncio.sleep(1000))
        finally:
            await_(asyncio.sleep(0))
            seen.append("cleaned up")

    async def main():
        task = asyncio.create_task(with_portal_run_sync(lambda: greenlet.greenlet(nested).switch()))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == ["cleaned up"]


def test_await_inside_a_nested_greenlet_on_native_is_refused(library, on_native):
    closed = []

    async def wait():
        try:
            await library.sleep(1)
        finally:
            closed.append(True)

    def nested():
        assert not has_portal()
        with pytest.raises(NoPortalError) as caught:
            await_(wait())
        return str(caught.value)

    def sync_fn():
        await_(library.checkpoint())
        messages = [greenlet.greenlet(nested).switch() for _ in range(3)]
        assert has_portal()
        await_(library.checkpoint())
        return messages

    async def main():
        messages = await with_portal_run_sync(sync_fn)
        await ensure_portal()
        messages += sync_fn()
        await library.checkpoint()
        return messages + sync_fn()

    messages = library.run(main)
    assert len(messages) == len(closed) == 9
    for message in messages:
        assert "greenlet" in message
        assert "switchback.settings.backend to 'auto' or 'greenlet'" in message


def test_await_that_does_not_suspend_works_in_any_greenlet(backend):
    async def compute():
        return 42

    def sync_fn():
        return greenlet.greenlet(lambda: await_(compute())).switch()

    assert asyncio.run(with_portal_run_sync(sync_fn)) == 42


def test_a_portal_inside_a_greenlet_of_its_own(backend):
    """A loop and its portals that run in a greenlet which is not a thread's main one."""

    def sync_fn(number):
        await_(asyncio.sleep(0))
        return number

    async def main():
        return await asyncio.gather(*[with_portal_run_sync(sync_fn, i) for i in range(20)])

    for _ in range(3):
        child = greenlet.greenlet(lambda: asyncio.run(main()))
        assert child.switch() == list(range(20))


def test_a_loop_run_inside_a_nested_greenlet_of_a_portal(on_greenlet):
    """It hides the outer task's portal, and has portals of its own."""

    def inner():
        await_(asyncio.sleep(0))
        return "inner"

    async def inner_main():
        assert not has_portal()
        with pytest.raises(NoPortalError):
            await_(asyncio.sleep(0))
        return await with_portal_run_sync(inner)

    def nested():
        loop = asyncio.new_event_loop()
        with without_running_loop():
            try:
                return loop.run_until_complete(inner_main())
            finally:
                loop.close()

    def sync_fn():
        result = greenlet.greenlet(nested).switch()
        await_(asyncio.sleep(0))
        return result

    assert asyncio.run(with_portal_run_sync(sync_fn)) == "inner"


def test_greenlets_that_switch_to_their_parent_between_awaits(backend):
    """What SQLAlchemy does: a greenlet hands what is to be awaited to the one that drives it."""

    def work(number):
        total = 0
        for _ in range(10):
            total += greenlet.getcurrent().parent.switch(number)
        return total

    def drive(number):
        child = greenlet.greenlet(work)
        value = child.switch(number)
        while not child.dead:
            await_(asyncio.sleep(0.0001 * (value * 7 % 5)))
            value = child.switch(value)
        return value

    async def main():
        return await asyncio.gather(*[with_portal_run_sync(drive, i) for i in range(50)])

    assert asyncio.run(main()) == [10 * i for i in range(50)]


def test_many_tasks_await_in_nested_greenlets_out_of_order(library, on_greenlet):
    """The greenlets are resumed in another order than that in which they were suspended."""

    def nested(number, depth):
        if depth:
            return greenlet.greenlet(nested).switch(number, depth - 1) + 1
        local = bytes([number]) * 500
        for step in range(10):
            await_(library.sleep(0.0002 * ((number * 7 + step * 3) % 11)))
            assert local == bytes([number]) * 500
        return number

    def sync_fn(number):
        await_(library.checkpoint())
        result = nested(number, number % 4)
        await_(library.checkpoint())
        return result

    async def main():
        calls = [lambda i=i: with_portal_run_sync(sync_fn, i) for i in range(50)]
        return await library.gather(*calls)

    assert library.run(main) == [i + i % 4 for i in range(50)]


def test_fifty_portals_end_in_the_reverse_order_and_in_any_other(backend):
    import random

    order = random.Random(7)

    def wait(events, number, depth):
        if depth:
            return wait(events, number, depth - 1)
        for event in events:
            await_(event.wait())
        return number

    async def main():
        for arrange in (list, reversed, lambda numbers: order.sample(list(numbers), 50)):
            events = [[asyncio.Event() for _ in range(3)] for _ in range(50)]
            ended = []
            tasks = []
            for i in range(50):
                task = asyncio.create_task(with_portal_run_sync(wait, events[i], i, i % 13))
                task.add_done_callback(lambda task, to=ended: to.append(task.result()))
                tasks.append(task)
            await asyncio.sleep(0)
            expected = []
            for which in range(3):
                expected = list(arrange(range(50)))
                for i in expected:
                    events[i][which].set()
                await asyncio.sleep(0)
            await asyncio.gather(*tasks)
            await asyncio.sleep(0)
            assert ended == expected

    asyncio.run(main())


# Context variables


def test_context_variables_pass_as_on_native(library, backend):
    token_of = {}

    async def set_in_coroutine(value):
        before = variable.get()
        variable.set(value)
        await library.checkpoint()
        assert variable.get() == value
        return before

    def sync_fn(number):
        token_of[number] = variable.set(number)
        await_(library.sleep(0.001 * (number % 3)))
        assert variable.get() == number
        assert await_(set_in_coroutine(-number)) == number
        assert variable.get() == -number
        copied = contextvars.copy_context()
        assert copied.run(in_context, number) == "inner"
        assert copied[variable] == "changed"
        assert variable.get() == -number
        variable.reset(token_of[number])
        return variable.get()

    def in_context(number):
        assert variable.get() == -number
        variable.set("changed")
        await_(library.checkpoint())
        assert variable.get() == "changed"
        return "inner"

    async def main():
        calls = [lambda i=i: with_portal_run_sync(sync_fn, i) for i in range(1, 21)]
        results = await library.gather(*calls)
        await ensure_portal()
        variable.set("before")
        assert sync_fn(100) == "before"
        assert variable.get() == "before"
        return results

    assert library.run(main) == ["unset"] * 20


def test_a_nested_greenlet_has_the_context_that_greenlet_gives_it(library, on_greenlet):
    """An empty one, unless it is given another; await_() leaves it as it is."""

    def nested():
        seen = [variable.get()]
        variable.set("nested")
        await_(library.checkpoint())
        return [*seen, variable.get()]

    def sync_fn():
        variable.set("outer")
        seen = greenlet.greenlet(nested).switch()
        assert variable.get() == "outer"
        copied = greenlet.greenlet(nested)
        copied.gr_context = contextvars.copy_context()
        seen += copied.switch()
        assert variable.get() == "outer"
        shared = greenlet.greenlet(nested)
        shared.gr_context = greenlet.getcurrent().gr_context
        seen += shared.switch()
        return [*seen, variable.get()]

    async def main():
        seen = await with_portal_run_sync(sync_fn)
        assert variable.get() == "nested"
        return seen

    assert library.run(main) == ["unset", "nested", "outer", "nested", "outer", "nested", "nested"]


# Greenlets that are killed, and switches that are none of ours


def test_a_nested_greenlet_is_killed_in_await(on_greenlet):
    """By code of the loop, while the portal is suspended: its own code sees GreenletExit."""
    nested = []
    seen = []

    def wait():
        nested.append(greenlet.getcurrent())
        try:
            await_(asyncio.sleep(1000))
        except greenlet.GreenletExit:
            seen.append("killed")
            raise

    def sync_fn():
        greenlet.greenlet(wait).switch()

    async def main():
        task = asyncio.create_task(with_portal_run_sync(sync_fn))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        nested[0].throw()
        task.cancel()
        await asyncio.wait([task])
        # The loop and other portals go on.
        assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "alive"))) == "alive"

    asyncio.run(main())
    assert seen == ["killed"]


@pytest.mark.parametrize("entrance", ["ensure_portal", "with_portal_run", "with_portal_run_sync"])
@pytest.mark.parametrize("exception", ["greenlet.GreenletExit", "ValueError"])
def test_a_portals_own_greenlet_is_killed_in_await(entrance, exception, on_greenlet):
    check_child(
        f"""
        import greenlet

        own = []
        seen = []
        woken = None

        def wait():
            own.append(greenlet.getcurrent())
            try:
                await_(woken)
            except BaseException as error:
                seen.append(type(error).__name__)
                raise

        async def call():
            wait()

        async def main(entrance):
            global woken
            woken = asyncio.get_running_loop().create_future()
            if entrance == "ensure_portal":
                async def run():
                    await ensure_portal()
                    wait()
                coroutine = run()
            elif entrance == "with_portal_run":
                coroutine = with_portal_run(call)
            else:
                coroutine = with_portal_run_sync(wait)
            task = asyncio.ensure_future(coroutine)
            while not own:
                await asyncio.sleep(0)
            try:
                own[0].throw({exception})
            except ValueError:
                pass
            woken.set_result(None)
            await asyncio.wait([task])
            assert seen == ["{exception.rpartition(".")[2]}"], seen
            assert isinstance(task.exception(), {exception}), task
            assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on"))) == "on"

        asyncio.run(main("{entrance}"))
        """,
        backend="greenlet",
    )


def test_a_greenlet_that_is_suspended_in_await_is_switched_to():
    """Which is an error in that await_(), whether the portal's own greenlet or another is meant."""
    check_child(
        """
        import greenlet

        suspended = []
        seen = []
        woken = None

        def wait():
            suspended.append(greenlet.getcurrent())
            try:
                await_(woken)
            except RuntimeError as error:
                seen.append(str(error))
                return "refused"

        def nested():
            return greenlet.greenlet(wait).switch()

        async def main():
            global woken
            for function in (wait, nested):
                suspended.clear()
                woken = asyncio.get_running_loop().create_future()
                task = asyncio.ensure_future(with_portal_run_sync(function))
                while not suspended:
                    await asyncio.sleep(0)
                suspended[0].switch("unexpected")
                woken.set_result(None)
                assert await task == "refused"
                assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on"))) == "on"
            assert len(seen) == 2 and "greenlet" in seen[0], seen

        asyncio.run(main())
        """,
        backend="greenlet",
    )


def test_a_killed_coroutine_that_awaits_again():
    """Its step cannot be suspended any more, as nobody waits for it."""
    check_child(
        """
        import greenlet
        import types

        own = []
        seen = []

        @types.coroutine
        def trap():
            return (yield "trap")

        async def stubborn():
            for _ in range(3):
                try:
                    await trap()
                except BaseException as error:
                    seen.append(type(error).__name__)
            return "done"

        def wait():
            own.append(greenlet.getcurrent())
            return await_(stubborn())

        def resume(portal):
            try:
                portal.send(None)
            except StopIteration as stop:
                return stop.value
            except RuntimeError as error:
                return type(error).__name__

        portal = with_portal_run_sync(wait).__await__()
        assert portal.send(None) == "trap"
        own[0].throw()
        assert resume(portal) in ("done", "RuntimeError", "NoPortalError")
        assert seen[0] == "GreenletExit", seen
        portal = with_portal_run_sync(wait).__await__()
        assert [next(portal), next(portal), next(portal)] == ["trap"] * 3
        assert resume(portal) == "done"
        """,
        backend="greenlet",
    )


def test_a_killed_portal_that_awaits_while_it_unwinds():
    check_child(
        """
        import greenlet

        own = []
        seen = []
        woken = None

        def wait():
            own.append(greenlet.getcurrent())
            try:
                await_(woken)
            finally:
                try:
                    await_(asyncio.sleep(0))
                except BaseException as error:
                    seen.append(type(error).__name__)
                else:
                    seen.append("awaited")

        async def main():
            global woken
            woken = asyncio.get_running_loop().create_future()
            task = asyncio.ensure_future(with_portal_run_sync(wait))
            while not own:
                await asyncio.sleep(0)
            own[0].throw()
            woken.set_result(None)
            await asyncio.wait([task])
            assert len(seen) == 1, seen
            assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on"))) == "on"

        asyncio.run(main())
        """,
        backend="greenlet",
    )


def test_a_portals_greenlet_killed_from_inside(on_greenlet):
    """GreenletExit passes through the step as any other exception that is not an Exception."""

    def sync_fn():
        await_(asyncio.sleep(0))
        raise greenlet.GreenletExit

    async def main():
        with pytest.raises(greenlet.GreenletExit):
            await with_portal_run_sync(sync_fn)
        return await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on")))

    assert asyncio.run(main()) == "on"


def test_dropping_a_suspended_portal_runs_its_finally(backend):
    seen = []

    class Mark:
        pass

    def sync_fn(mark):
        try:
            await_(asyncio.sleep(1000))
        except GeneratorExit:
            seen.append("closed")
            raise
        finally:
            seen.append("finally")

    async def main():
        marks = []
        for _ in range(10):
            mark = Mark()
            marks.append(weakref.ref(mark))
            portal = with_portal_run_sync(sync_fn, mark).__await__()
            portal.send(None)
            del portal, mark
        gc.collect()
        return [mark() for mark in marks]

    assert asyncio.run(main()) == [None] * 10
    assert seen == ["closed", "finally"] * 10


def test_dropping_a_portal_that_is_suspended_in_a_nested_greenlet(on_greenlet):
    seen = []

    def nested():
        try:
            await_(asyncio.sleep(1000))
        except BaseException as error:
            seen.append(type(error).__name__)
            raise

    def sync_fn():
        try:
            greenlet.greenlet(nested).switch()
        finally:
            seen.append("outer")

    async def main():
        for _ in range(10):
            portal = with_portal_run_sync(sync_fn).__await__()
            portal.send(None)
            del portal
        gc.collect()

    asyncio.run(main())
    assert seen == ["GeneratorExit", "outer"] * 10


def test_a_nested_greenlet_that_outlives_its_step(backend):
    """It is kept, or dropped, when the portal that has started it has ended."""
    seen = []

    def nested():
        try:
            return greenlet.getcurrent().parent.switch("waits")
        finally:
            seen.append("ended")

    def begin():
        await_(asyncio.sleep(0))
        child = greenlet.greenlet(nested)
        assert child.switch() == "waits"
        await_(asyncio.sleep(0))
        return child

    async def main():
        child = await with_portal_run_sync(begin)
        child.parent = greenlet.getcurrent()
        assert child.switch("result") == "result"
        child = await with_portal_run_sync(begin)
        del child
        gc.collect()
        return await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on")))

    assert asyncio.run(main()) == "on"
    assert seen == ["ended"] * 2


def test_threads_with_portals_end(backend):
    """Also where greenlets are suspended in it that nothing is ever going to resume."""

    def sync_fn():
        await_(asyncio.sleep(0))

    def wait():
        await_(asyncio.sleep(1000))

    def nested():
        greenlet.greenlet(wait if backend == "greenlet" else sync_fn_of_nothing).switch()
        await_(asyncio.sleep(1000))

    def sync_fn_of_nothing():
        pass

    left = []

    def thread():
        async def main():
            await asyncio.gather(*[with_portal_run_sync(sync_fn) for _ in range(5)])
            for function in (wait, nested):
                portal = _engine.open_call_portal(function, ())
                portal.send(None)
                left.append(portal)

        asyncio.run(main())

    for _ in range(5):
        worker = threading.Thread(target=thread)
        worker.start()
        worker.join()
    gc.collect()
    assert len(left) == 10
    for portal in left:
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            portal.send(None)
    left.clear()
    gc.collect()

    async def main():
        return await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on")))

    assert asyncio.run(main()) == "on"


def test_a_foreign_greenlet_switches_to_the_resumer():
    """A greenlet of the portal's code switches to the one that waits for the step."""
    check_child(
        """
        import greenlet

        def sync_fn(resumer):
            await_(asyncio.sleep(0))
            # Not await_(): so the portal's step is abandoned in the middle.
            try:
                resumer.switch("what the portal does not expect")
            except BaseException:
                pass

        async def main():
            try:
                await with_portal_run_sync(sync_fn, greenlet.getcurrent())
            except RuntimeError as error:
                assert "a greenlet has switched" in str(error), error
            else:
                raise AssertionError("no error")
            for _ in range(3):
                assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on"))) == "on"

        asyncio.run(main())
        """,
        backend="greenlet",
    )


def test_a_foreign_greenlet_throws_into_the_resumer():
    check_child(
        """
        import greenlet

        def sync_fn(resumer):
            await_(asyncio.sleep(0))
            greenlet.greenlet(lambda: resumer.throw(KeyError("foreign"))).switch()

        async def main():
            try:
                await with_portal_run_sync(sync_fn, greenlet.getcurrent())
            except KeyError as error:
                assert error.args == ("foreign",)
            else:
                raise AssertionError("no error")
            for _ in range(3):
                assert await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on"))) == "on"

        asyncio.run(main())
        """,
        backend="greenlet",
    )


def test_await_in_a_greenlet_that_does_not_descend_from_the_portal(on_greenlet):
    """One that the loop's code has started, and that the portal's code switches to."""

    def foreign():
        try:
            await_(asyncio.sleep(0))
        except NoPortalError as error:
            return error

    async def main():
        child = greenlet.greenlet(foreign)  # a child of the main greenlet
        assert isinstance(child.switch(), NoPortalError)
        return await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on")))

    assert asyncio.run(main()) == "on"


def test_with_portal_run_on_each_backend(library, backend):
    async def main():
        await library.checkpoint()
        assert running_on() == backend
        await_(library.checkpoint())
        return "done"

    async def run():
        return await with_portal_run(main)

    assert library.run(run) == "done"
