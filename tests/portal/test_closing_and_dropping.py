"""How portals are closed and dropped, and that nothing is lost or kept on the way."""

from __future__ import annotations

import contextlib
import gc
import sys
import weakref

import pytest
from support.by_hand import suspended, trap

from switchback import _engine, await_

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


def test_close_raises_generator_exit_at_the_call_of_await():
    log = []

    def sync():
        try:
            log.append("before")
            await_(trap())
            log.append("after")
        except GeneratorExit:
            log.append("exit")
            raise
        finally:
            log.append("finally")

    portal = suspended(sync)
    portal.close()
    portal.close()
    assert log == ["before", "exit", "finally"]


def test_close_reaches_the_awaitable_before_the_caller_of_await():
    log = []

    async def awaited():
        try:
            await trap()
        finally:
            log.append("awaited")

    def sync():
        try:
            await_(awaited())
        finally:
            log.append("sync")

    suspended(sync).close()
    assert log == ["awaited", "sync"]


def test_dropping_a_portal_closes_it():
    log = []

    def sync(token):
        try:
            await_(trap())
        except GeneratorExit:
            log.append("exit")
            raise
        finally:
            log.append("finally")

    class Token:
        pass

    token = Token()
    reference = weakref.ref(token)
    portal = suspended(sync, token)
    del token
    assert reference() is not None
    del portal
    assert log == ["exit", "finally"]
    assert reference() is None


def test_dropping_a_portal_around_a_coroutine_closes_the_coroutine():
    log = []

    async def inner():
        try:
            sync()
        finally:
            log.append("inner")

    def sync():
        try:
            await_(trap())
        finally:
            log.append("sync")

    portal = _engine.open_portal(inner())
    portal.send(None)
    del portal
    assert log == ["sync", "inner"]


def test_a_portal_in_a_reference_cycle_is_collected():
    log = []

    def sync(holder):
        try:
            await_(trap())
        finally:
            log.append("finally")

    class Holder:
        pass

    holder = Holder()
    holder.portal = _engine.open_call_portal(sync, ({},))
    holder.portal.send(None)
    holder.itself = holder
    del holder
    gc.collect()
    assert log == ["finally"]


def test_closing_a_portal_that_never_started_runs_nothing():
    log = []
    portal = _engine.open_call_portal(log.append, (1,))
    portal.close()
    assert log == []
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        portal.send(None)


def test_throwing_into_a_portal_that_never_started_runs_nothing():
    log = []
    portal = _engine.open_call_portal(log.append, (1,))
    with pytest.raises(KeyError):
        portal.throw(KeyError(1))
    assert log == []


def test_a_portal_that_ignores_generator_exit_says_so_and_can_go_on():
    def sync():
        try:
            await_(trap(1))
        except GeneratorExit:
            return await_(trap(2))

    portal = suspended(sync)
    with pytest.raises(RuntimeError, match="coroutine ignored GeneratorExit"):
        portal.close()
    with pytest.raises(StopIteration) as stop:
        portal.send("sent")
    assert stop.value.value == "sent"


def test_dropping_a_portal_that_ignores_generator_exit_is_reported(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reported.append(str(args.exc_value)))

    def sync():
        try:
            await_(trap(1))
        except GeneratorExit:
            await_(trap(2))

    portal = suspended(sync)
    del portal
    assert reported == ["coroutine ignored GeneratorExit"]


@pytest.mark.not_under(
    "leak", reason="code that refuses to close is left suspended, with its stack"
)
def test_dropping_a_portal_that_never_gives_in_does_not_hang(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reported.append(str(args.exc_value)))
    give_in = False

    def sync():
        while not give_in:
            with contextlib.suppress(GeneratorExit):
                await_(trap())

    portal = suspended(sync)
    del portal
    assert set(reported) == {"coroutine ignored GeneratorExit"}
    assert len(reported) < 20


def test_an_exception_in_finally_of_a_dropped_portal_is_reported(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reported.append(repr(args.exc_value)))

    def sync():
        try:
            await_(trap())
        finally:
            raise KeyError("in finally")

    portal = suspended(sync)
    del portal
    assert reported == ["KeyError('in finally')"]


@pytest.mark.needs_native(reason="is about stacks of our own")
def test_stacks_are_given_back_and_used_again():
    for portal in [suspended(lambda: await_(trap())) for _ in range(20)]:
        portal.close()
    idle = _engine.idle_stacks()
    assert idle >= 20
    portals = [suspended(lambda: await_(trap())) for _ in range(10)]
    assert _engine.idle_stacks() == idle - 10
    del portals
    assert _engine.idle_stacks() == idle


@pytest.mark.not_under("tsan", reason="ThreadSanitizer has room for some thousand stacks at a time")
def test_ten_thousand_portals_suspended_at_once():
    def sync(number):
        return await_(trap(number)) + number

    portals = [_engine.open_call_portal(sync, (number,)) for number in range(10_000)]
    assert [portal.send(None) for portal in portals] == list(range(10_000))
    half = portals[::2]
    for number, portal in enumerate(half):
        with pytest.raises(StopIteration) as stop:
            portal.send(1)
        assert stop.value.value == 2 * number + 1
    del portals, half, portal
    assert _engine.idle_stacks() <= 1024


@pytest.mark.needs_native(reason="is about stacks of our own")
def test_stacks_that_are_not_kept_for_reuse_go_back_to_the_system():
    portals = [suspended(lambda: await_(trap())) for _ in range(3000)]
    live = _engine.live_stacks()
    assert live >= 3000
    del portals
    assert _engine.live_stacks() <= live - 3000 + 1024
