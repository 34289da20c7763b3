"""`switchback.inspect.timeline()`: which portal ran and waited when, as Perfetto reads it."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import threading
import time

import pytest
from support.traces import trace, trace_tasks, tracks_of

from switchback import (
    _engine,
    _timeline,
    await_,
    ensure_portal,
    with_portal_run,
    with_portal_run_sync,
)
from switchback.inspect import timeline


async def fetch(seconds=0.0):
    await asyncio.sleep(seconds)


def work(times=3):
    for _ in range(times):
        await_(fetch())


def test_a_portal_runs_and_waits_in_turns():
    tracks, threads = trace_tasks(work)
    assert [track.name for track in tracks.values()] == ["work"]
    assert tracks[1].names() == ["work", "await_(fetch)"] * 3 + ["work"]
    assert threads == {threading.get_native_id(): "MainThread"}
    assert tracks[1].thread == threading.get_native_id()


def test_times_are_those_of_the_monotonic_clock():
    before = time.monotonic()
    tracks, _ = trace_tasks(lambda: (time.sleep(0.05), await_(fetch(0.1))))
    after = time.monotonic()
    (began, ended, _), (waited, resumed, _), (_, last, _) = tracks[1].stretches
    assert before * 1e6 - 1000 < began < last < after * 1e6 + 1000
    assert ended - began > 49_000
    assert waited == pytest.approx(ended, abs=0.002)
    assert resumed - waited > 99_000


def test_portals_that_are_there_at_once_have_tracks_of_their_own():
    tracks, _ = trace_tasks(work, work)
    assert [track.name for track in tracks.values()] == ["work", "work 2"]
    assert len(tracks[1].stretches) == len(tracks[2].stretches) == 7


def test_a_portal_takes_the_place_of_one_that_has_ended():
    def fails():
        work(1)
        raise KeyError

    async def main():
        for function in (work, fails, work, fails):
            try:
                await with_portal_run_sync(function)
            except KeyError:
                pass

    tracks, _ = trace(lambda: asyncio.run(main()))
    names = [track.name.rpartition(".")[2] for track in tracks.values()]
    assert names == ["work", "fails"]
    assert [len(track.stretches) for track in tracks.values()] == [14, 6]


def test_a_coroutine_that_awaits_natively_waits_in_an_await():
    async def both():
        await ensure_portal()
        await fetch()
        await_(fetch())
        await_(asyncio.sleep(0))

    def run():
        asyncio.run(both())

    tracks, _ = trace(run)
    name = both.__qualname__
    expected = [name, "await", name, "await_(fetch)", name, "await_(sleep)", name]
    # Its first step is not one of a portal's.
    assert tracks[1].names()[-len(expected) :] == expected


def test_what_is_no_coroutine_is_named_by_its_type():
    def waits():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await_(future)

    tracks, _ = trace_tasks(waits)
    assert tracks[1].names()[1].startswith("await_(")
    assert "Future" in tracks[1].names()[1]


def test_nested_portals_have_tracks_of_their_own():
    class Waits:
        def __await__(self):
            yield

    def inner():
        await_(Waits())

    def outer():
        portal = _engine.open_call_portal(inner, ())
        for _ in range(2):
            try:
                portal.send(None)
            except StopIteration:
                pass

    tracks, _ = trace_tasks(outer)
    [(began, ended, _)] = tracks[1].stretches
    assert tracks[2].names() == [inner.__qualname__, "await_(generator)", inner.__qualname__]
    assert began < tracks[2].stretches[0][0] < tracks[2].stretches[-1][1] < ended


@pytest.mark.threads
def test_threads_have_their_names_and_their_portals():
    numbers = []

    def in_thread():
        numbers.append(threading.get_native_id())
        asyncio.run(with_portal_run_sync(work))
        time.sleep(3 * _timeline.INTERVAL)  # so that it has a name when it is written

    def run():
        thread = threading.Thread(target=in_thread, name='the "other"')
        thread.start()
        asyncio.run(with_portal_run_sync(work))
        thread.join()

    tracks, threads = trace(run)
    assert threads == {threading.get_native_id(): "MainThread", numbers[0]: 'the "other"'}
    assert {track.thread for track in tracks.values()} == threads.keys()
    assert sorted(track.name for track in tracks.values()) == ["work", "work 2"]


def test_a_portal_that_goes_on_in_another_thread_has_a_track_there():
    async def both():
        await Waits()
        await_(Waits())

    class Waits:
        def __await__(self):
            yield

    def step(portal):
        try:
            portal.send(None)
        except StopIteration:
            pass

    def run():
        portal = with_portal_run(both)
        step(portal)
        thread = threading.Thread(target=lambda: [step(portal) for _ in range(2)])
        thread.start()
        thread.join()

    tracks, _ = trace(run)
    assert len({track.thread for track in tracks.values()}) == 2
    name = both.__qualname__
    assert tracks[1].names() == [name, "await"]
    assert tracks[2].names() == [name, "await_(generator)", name]


def test_closing_and_dropping_end_a_track():
    class Waits:
        def __await__(self):
            yield

    def waits():
        await_(Waits())

    def run():
        for _ in range(3):
            portal = with_portal_run_sync(waits)
            portal.send(None)
            portal.close()
        for _ in range(3):
            portal = with_portal_run_sync(waits)
            portal.send(None)
            del portal
            gc.collect()

    tracks, _ = trace(run)
    assert len(tracks) == 1
    assert len(tracks[1].stretches) == 6 * 3


def test_a_portal_that_waits_and_goes_away_ends_its_track():
    def run():
        coroutine = asyncio.sleep(0)
        portal = _engine.open_portal(coroutine)
        portal.send(None)
        coroutine.close()  # so that nothing is left for the portal to do
        del portal
        time.sleep(0.05)

    tracks, _ = trace(run)
    assert tracks[1].names() == ["sleep", "await"]
    (_, _, _), (began, ended, _) = tracks[1].stretches
    assert ended - began < 40_000


def test_long_waits_and_steps_are_written_once():
    long = 2.5 * _timeline.INTERVAL

    def slow():
        await_(fetch(long))
        time.sleep(long)
        await_(fetch())

    tracks, _ = trace_tasks(slow)
    assert tracks[1].names()[1::2] == ["await_(fetch)"] * 2
    lengths = [end - begin for begin, end, _ in tracks[1].stretches]
    assert min(lengths[1:3]) > long * 0.99e6


def test_names_are_escaped():
    def odd():
        await_(fetch())

    odd.__qualname__ = 'a "quoted"\\ näme\n\ud800'
    tracks, _ = trace_tasks(odd)
    assert tracks[1].name == 'a "quoted"\\ näme\n?'


def test_a_portal_that_waits_or_runs_at_either_end_is_there():
    file = io.BytesIO()

    def around():
        await_(fetch())
        with timeline(file):
            await_(asyncio.gather(*(with_portal_run_sync(work) for _ in range(2))))

    async def main():
        event = asyncio.Event()
        task = asyncio.create_task(with_portal_run_sync(lambda: await_(event.wait())))
        await with_portal_run_sync(around)
        event.set()
        await task

    asyncio.run(main())
    tracks = tracks_of(json.loads(file.getvalue()))
    assert {track.name.rpartition(".")[2] for track in tracks.values()} >= {"work", "work 2"}
    # The second one after the first.
    again, _ = trace_tasks(work)
    assert again[1].names() == ["work", "await_(fetch)"] * 3 + ["work"]


def test_no_code_of_what_is_awaited_is_run():
    class Meta(type):
        __hash__ = None

        def __eq__(cls, other):
            raise ValueError

    class Awaitable(metaclass=Meta):
        def __await__(self):
            return asyncio.sleep(0).__await__()

    def work_on_these():
        for _ in range(3):
            await_(Awaitable())

    tracks, _ = trace_tasks(work_on_these)
    assert len(tracks[1].stretches) == 7
