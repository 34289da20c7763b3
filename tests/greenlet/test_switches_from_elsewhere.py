"""A greenlet that a portal's code has started is resumed, thrown into or dropped from elsewhere."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref

import pytest
from support.by_hand import finish, suspended, trap
from support.greenlet_programs import greenlet
from support.greenlet_users import copies_stacks

import switchback
from switchback import NoPortalError, _engine, await_, with_portal_run_sync

pytestmark = [pytest.mark.imports_greenlet, copies_stacks]

native_only = pytest.mark.chooses_native(reason="is about errands of stacks of ours")


def deep(levels, function):
    """Call a function with much of the C stack in use, all of which is looked at afterwards."""
    values = [object() for _ in range(5)]
    kept = list(values)
    results = []

    def key(_):
        results.append(deep(levels - 1, function) if levels else function())
        return 0

    sorted([levels], key=key)
    assert all(a is b for a, b in zip(values, kept, strict=True))
    return results[0]


class Token:
    pass


class Started:
    """A portal's code has started a greenlet, which waits deep in its own calls."""

    def __init__(self, where):
        self.log = []
        self.box = []
        self.portal = _engine.open_call_portal(self.start, (where,))
        if where == "the portal has ended":
            assert finish(self.portal) == "result"
        else:
            self.portal.send(None)

    def start(self, where):
        self.box.append(greenlet.greenlet(self.child))
        assert deep(2, lambda: self.box[0].switch("begin")) == "waits"
        if where == "the portal waits deeper":
            assert deep(20, lambda: await_(trap())) is None
        elif where == "the portal waits higher up":
            await_(trap())
        return "result"

    def child(self, argument):
        assert argument == "begin"
        try:
            answer = deep(5, lambda: greenlet.getcurrent().parent.switch("waits"))
        except BaseException as error:
            self.log.append(type(error).__name__)
            raise
        self.log.append(answer)
        return "ended"

    def go_on(self, how):
        if how == "switch":
            self.box[0].parent = greenlet.getcurrent()
            assert self.box[0].switch("answer") == "ended"
        elif how == "throw":
            self.box[0].parent = greenlet.getcurrent()
            with pytest.raises(KeyError):
                self.box[0].throw(KeyError)
        else:
            gone = weakref.ref(self.box[0])
            if how == "collect":
                # In a cycle, which only the collector finds. It finds no greenlet by itself.
                cycle = [self.box]
                cycle.append(cycle)
                del cycle
            self.box = []
            gc.collect()
            assert gone() is None

    def check(self, how, where):
        expected = {"switch": "answer", "throw": "KeyError"}.get(how, "GreenletExit")
        assert self.log == [expected]
        if where != "the portal has ended":
            assert finish(self.portal) == "result"


def by_the_loop(function):
    function()


def by_a_callback(function):
    async def main():
        loop = asyncio.get_running_loop()
        failed = loop.create_future()

        def call():
            try:
                function()
            except BaseException as error:
                failed.set_exception(error)
            else:
                failed.set_result(None)

        loop.call_soon(call)
        await failed

    asyncio.run(main())


def by_another_portal(function):
    def call():
        await_(trap())
        deep(3, function)
        await_(trap())

    finish(suspended(call))


def by_a_greenlet_of_another_portal(function):
    by_another_portal(lambda: greenlet.greenlet(function).switch())


def by_a_portal_in_another(function):
    by_another_portal(lambda: by_another_portal(function))


@pytest.mark.parametrize(
    "where", ["the portal has ended", "the portal waits deeper", "the portal waits higher up"]
)
@pytest.mark.parametrize("how", ["switch", "throw", "drop", "collect"])
@pytest.mark.parametrize(
    "who",
    [
        by_the_loop,
        by_a_callback,
        by_another_portal,
        by_a_greenlet_of_another_portal,
        by_a_portal_in_another,
    ],
)
def test_a_greenlet_goes_on_from_elsewhere(who, how, where, backend):
    started = Started(where)
    who(lambda: started.go_on(how))
    started.check(how, where)


@pytest.mark.parametrize("where", ["the portal has ended", "the portal waits deeper"])
def test_a_greenlet_is_let_go_of_by_another_thread(where, backend):
    """greenlet has its own thread kill it, at the next opportunity."""
    started = Started(where)
    errors = []

    def drop():
        with pytest.raises(greenlet.error) as caught:
            started.box[0].switch()
        errors.append(caught.value)
        del caught
        started.box.clear()
        gc.collect()

    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()
    assert len(errors) == 1
    errors.clear()
    assert started.log == []
    # Any switch in this thread is an opportunity; one on a stack of ours as well.
    by_another_portal(lambda: greenlet.greenlet(lambda: None).switch())
    started.check("drop", where)


def test_a_greenlet_is_dropped_by_a_portal_in_another_thread(backend):
    started = Started("the portal waits deeper")

    def drop():
        by_another_portal(started.box.clear)

    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()
    assert started.log == []
    greenlet.greenlet(lambda: None).switch()
    started.check("drop", "the portal waits deeper")


# Those that wait in await_()


class Waiting:
    """A portal whose code waits in await_(), in a greenlet."""

    def __init__(self, again=False):
        self.log = []
        self.child = None
        self.again = again
        self.portal = _engine.open_call_portal(self.run, ())
        assert self.portal.send(None) == "wait"

    def run(self):
        self.child = greenlet.greenlet(self.wait)
        return deep(3, self.child.switch)

    def wait(self):
        try:
            await_(trap("wait"))
        except BaseException as error:
            self.log.append(error)
            if not self.again:
                raise
        return await_(trap("again"))


@native_only
@pytest.mark.parametrize("who", [by_the_loop, by_a_callback, by_another_portal])
def test_what_waits_in_await_refuses_to_be_switched_to(who, on_native):
    """With an error there, which leaves it for who has switched to it."""
    waiting = Waiting()

    def switch():
        with pytest.raises(RuntimeError, match=r"which waits in await_\(\)"):
            waiting.child.switch("unexpected")

    who(switch)
    assert waiting.child.dead and len(waiting.log) == 1
    with pytest.raises(RuntimeError, match="which waits for a greenlet that waited in await_"):
        waiting.portal.send("answer")


@native_only
@pytest.mark.parametrize("end", ["throw", "close", "drop"])
@pytest.mark.parametrize("how", ["switch", "throw", "drop"])
def test_what_ends_the_portal_is_not_lost_when_something_else_was_there_before(how, end, on_native):
    log = []

    class Noting(Waiting):
        def run(self):
            try:
                return super().run()
            except BaseException as error:
                log.append(type(error))
                raise

    waiting = Noting()
    if how == "drop":
        # Its portal holds it where it has to go back to, but for that.
        waiting.child = None
        gc.collect()
        assert waiting.log == []
    elif how == "throw":
        with pytest.raises(LookupError):
            waiting.child.throw(LookupError)
    else:
        with pytest.raises(RuntimeError):
            waiting.child.switch()
    if end == "throw":
        with pytest.raises(KeyError):
            waiting.portal.throw(KeyError)
    elif end == "close":
        waiting.portal.close()
    del waiting.portal
    assert log == [KeyError if end == "throw" else GeneratorExit]


@native_only
def test_a_portal_whose_greenlet_is_gone_is_still_one_that_waits(on_native):
    """It is closed with the others, and the trap belongs to who has it."""
    log, children = [], []
    token = Token()

    def sync():
        children.append(greenlet.greenlet(lambda: await_(trap(token))))
        try:
            children[0].switch()
        except BaseException as error:
            log.append(type(error))
            raise

    portal = _engine.open_call_portal(sync, ())
    assert portal.send(None) is token
    before = sys.getrefcount(token)
    with pytest.raises(RuntimeError):
        children[0].switch()
    # What the greenlet held is gone with it, and no more than that.
    assert before - 1 <= sys.getrefcount(token) <= before
    _engine.close_suspended_portals()
    assert log == [GeneratorExit]


@native_only
def test_an_await_that_goes_on_without_its_portal_belongs_to_the_step_that_runs(on_native):
    waiting = Waiting(again=True)

    def switches():
        return waiting.child.switch()

    other = _engine.open_call_portal(switches, ())
    assert other.send(None) == "again"
    assert isinstance(waiting.log[0], RuntimeError)
    # The first portal has nothing to wait for any more; the other has.
    with pytest.raises(RuntimeError, match="which waits for a greenlet that waited"):
        waiting.portal.send("to nobody")
    with pytest.raises(StopIteration) as stop:
        other.send("answer")
    assert stop.value.value == "answer"


@native_only
def test_an_await_that_goes_on_without_its_portal_is_refused_where_no_step_runs(on_native):
    waiting = Waiting(again=True)
    with pytest.raises(NoPortalError):
        waiting.child.switch()
    assert isinstance(waiting.log[0], RuntimeError)
    with pytest.raises(RuntimeError, match="which waits for a greenlet that waited"):
        waiting.portal.send("to nobody")


def test_a_native_portal_is_alive_after_all_of_that(backend):
    async def main():
        return await with_portal_run_sync(lambda: await_(asyncio.sleep(0, "on")))

    assert asyncio.run(main()) == "on"
    assert switchback.backend_in_use().name == backend
