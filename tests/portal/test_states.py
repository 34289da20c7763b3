"""Each way of ending a portal, in each state that it can be in."""

from __future__ import annotations

import contextlib
import gc
import sys
import types
import warnings
import weakref

import pytest
from support.by_hand import trap

import switchback
from switchback import _engine, await_


class Token:
    """What the portal's code holds; gone when nothing of the portal is left."""


class Log(list):
    """What the portal's code has noted."""

    def block(self, name):
        return Block(self, name)


class Block:
    """Notes what ends the block, and that it was left, as often as it is."""

    def __init__(self, log, name):
        self.log, self.name = log, name

    def __enter__(self):
        pass

    def __exit__(self, exception_type, *_):
        if exception_type is not None:
            self.log.append(f"{self.name}: {exception_type.__name__}")
        self.log.append(f"{self.name}: finally")


def ended_by_exit(*names):
    return [f"{name}: {what}" for name in names for what in ("GeneratorExit", "finally")]


# The states. Each function makes a portal, brings it there and returns it with what ending it is
# going to note.


def not_started(log, token):
    def sync(token):
        with log.block("sync"):
            await_(trap())

    return _engine.open_call_portal(sync, (token,)), []


def not_started_coroutine(log, token):
    async def native(token):
        with log.block("native"):
            await trap()

    return _engine.open_portal(native(token)), []


def in_a_native_await(log, token):
    async def native(token):
        with log.block("native"):
            await trap()

    portal = _engine.open_portal(native(token))
    portal.send(None)
    return portal, ended_by_exit("native")


def in_await_(log, token):
    def sync(token):
        with log.block("sync"):
            await_(trap())

    portal = _engine.open_call_portal(sync, (token,))
    portal.send(None)
    return portal, ended_by_exit("sync")


def in_await_at_depth_5(log, token):
    async def native(level, token):
        with log.block(f"async {level}"):
            if level == 5:
                await trap()
            else:
                sync(level + 1, token)

    def sync(level, token):
        with log.block(f"sync {level}"):
            await_(native(level, token))

    portal = _engine.open_portal(native(0, token))
    portal.send(None)
    levels = [f"{kind} {level}" for level in range(5, 0, -1) for kind in ("async", "sync")]
    return portal, ended_by_exit(*levels, "async 0")


def finished(log, token):
    portal = _engine.open_call_portal(lambda token: await_(trap()), (token,))
    portal.send(None)
    with pytest.raises(StopIteration):
        portal.send(None)
    return portal, []


def failed(log, token):
    def sync(token):
        await_(trap())
        raise KeyError

    portal = _engine.open_call_portal(sync, (token,))
    portal.send(None)
    with pytest.raises(KeyError):
        portal.send(None)
    return portal, []


STATES = [
    not_started,
    not_started_coroutine,
    in_a_native_await,
    in_await_,
    in_await_at_depth_5,
    finished,
    failed,
]


# The ways to end a portal, which is the only thing in the list `held`.


def close(held):
    assert held[0].close() is None
    assert held[0].close() is None
    held.clear()


def throw_generator_exit(held):
    with pytest.raises((GeneratorExit, RuntimeError)) as raised:
        held[0].throw(GeneratorExit)
    assert raised.type is GeneratorExit or "cannot reuse" in str(raised.value)
    held.clear()


def drop(held):
    held.clear()


def collect(held):
    cycle = types.SimpleNamespace(portal=held.pop())
    cycle.itself = cycle
    del cycle
    gc.collect()


def finalize(held):
    held[0].__del__()
    held[0].__del__()
    held.clear()


WAYS = [close, throw_generator_exit, drop, collect, finalize]


def by_name(function):
    return function.__name__


def idle_stacks():
    # greenlet's are counted by nobody.
    return _engine.idle_stacks() if switchback.settings.backend == "native" else 0


@pytest.mark.parametrize("way", WAYS, ids=by_name)
@pytest.mark.parametrize("state", STATES, ids=by_name)
def test_each_finally_runs_once_and_nothing_is_kept(state, way):
    log = Log()
    in_await_(Log(), None)[0].close()  # so that there is an idle stack to be taken
    idle = idle_stacks()
    token = Token()
    reference = weakref.ref(token)
    portal, expected = state(log, token)
    held = [portal]
    portal_reference = weakref.ref(portal)
    del portal, token
    with warnings.catch_warnings():
        if state is not_started_coroutine:
            # As without a portal, where throwing into it and dropping it is all that happens.
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        way(held)
    gc.collect()
    assert log == expected
    assert portal_reference() is None
    assert reference() is None
    assert idle_stacks() == idle


@pytest.mark.parametrize("way", WAYS, ids=by_name)
def test_a_running_portal_is_ended_by_nobody_but_itself(way, monkeypatch):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    log = []

    def sync(held):
        try:
            with contextlib.suppress(ValueError):
                # Where it may be asked to end, it says that it is executing.
                way(held)
            held.clear()
            gc.collect()
            log.append(await_(trap()))
        finally:
            log.append("finally")

    held = []
    portal = _engine.open_call_portal(sync, (held,))
    held.append(portal)
    send = portal.send
    del portal
    assert send(None) == "trap"
    assert log == []
    with pytest.raises(StopIteration):
        send("answer")
    assert log == ["answer", "finally"]
    assert not unraisable


def test_closing_and_throwing_into_a_running_portal_are_errors():
    async def native():
        for step in (portal.close, lambda: portal.throw(KeyError), lambda: portal.send(None)):
            with pytest.raises(ValueError, match="coroutine already executing"):
                step()
        return "went on"

    portal = _engine.open_portal(native())
    with pytest.raises(StopIteration) as stop:
        portal.send(None)
    assert stop.value.value == "went on"


# Code that does not let itself be ended


def swallow_natively(log, then):
    async def native():
        try:
            await trap()
        except GeneratorExit:
            log.append("swallowed")
        if then == "awaits":
            await trap()
        return "value"

    return _engine.open_portal(native())


def swallow_in_a_call(log, then):
    def sync():
        try:
            await_(trap())
        except GeneratorExit:
            log.append("swallowed")
        if then == "awaits":
            await_(trap())
        return "value"

    return _engine.open_call_portal(sync, ())


def swallow_at_depth_5(log, then):
    async def native(level):
        if level:
            return await_(native(level - 1))
        try:
            await trap()
        except GeneratorExit:
            log.append("swallowed")
        if then == "awaits":
            await trap()
        return "value"

    return _engine.open_portal(native(5))


SWALLOWERS = [swallow_natively, swallow_in_a_call, swallow_at_depth_5]


@pytest.mark.parametrize("way", [close, drop, collect, finalize], ids=by_name)
@pytest.mark.parametrize("swallow", SWALLOWERS, ids=by_name)
def test_a_swallowed_generator_exit_is_the_interpreters_error(swallow, way, monkeypatch):
    unraisable = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda args: unraisable.append((args.exc_type, str(args.exc_value)))
    )
    log = []
    held = [swallow(log, "awaits")]
    held[0].send(None)
    error = (RuntimeError, "coroutine ignored GeneratorExit")
    if way is close:
        with pytest.raises(error[0], match=error[1]):
            held[0].close()
        held.clear()
    else:
        way(held)
    gc.collect()
    assert log == ["swallowed"]
    if way is not close:
        assert error in unraisable
    assert set(unraisable) <= {error}


@pytest.mark.parametrize("swallow", SWALLOWERS, ids=by_name)
def test_code_that_returns_on_generator_exit_is_closed(swallow):
    log = []
    portal = swallow(log, "returns")
    portal.send(None)
    # await_() closes what it drives and raises GeneratorExit itself, as `await` does.
    returns_value = sys.version_info >= (3, 13) and swallow is not swallow_at_depth_5
    assert portal.close() == ("value" if returns_value else None)
    assert log == ["swallowed"]
