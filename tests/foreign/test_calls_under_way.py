"""A library whose thread-local points into the stack serves portals that end in any order."""

from __future__ import annotations

import asyncio
import ctypes
import shutil
import threading

import pytest
from support.by_hand import suspended, trap
from support.calls_under_way import (
    KINDS,
    build,
    end_out_of_order,
    finish,
    load,
    portal_in,
    wait,
)

from switchback import _engine, await_, with_portal_run_sync

DONE = ("done", True)
MINE = [DONE] * 50


def test_calls_that_end_out_of_order_stay_apart(calls):
    portals = [portal_in(calls, number) for number in range(1, 51)]
    assert end_out_of_order(portals) == MINE


def test_the_first_call_of_all_is_right(built, tmp_path):
    # A copy is a library that nothing has been learned about.
    for kind in KINDS:
        calls = load(shutil.copy(built(kind), tmp_path / f"{kind}.so"))
        first, second = portal_in(calls, 1), portal_in(calls, 2)
        assert calls.under_way() == 0
        assert finish(first) == DONE, kind
        assert finish(second) == DONE, kind


def test_whoever_resumes_finds_no_call_under_way(calls):
    portal = portal_in(calls, 1)
    assert calls.under_way() == 0
    portal.send(None)
    assert calls.under_way() == 0
    assert finish(portal) == DONE
    assert calls.under_way() == 0


def test_whoever_resumes_finds_the_call_that_he_is_in(calls):
    portals = []

    def resume():
        portals.append(portal_in(calls, 2))
        seen = [calls.under_way()]
        portals[0].send(None)
        return [*seen, calls.under_way()]

    assert calls.call_back(1, resume) == ([1, 1], True)
    assert calls.under_way() == 0
    # Resumed from elsewhere.
    assert finish(portals[0]) == DONE
    assert calls.under_way() == 0


def test_whoever_resumes_finds_his_call_when_that_of_the_portal_ends(calls):
    portal = portal_in(calls, 2)
    assert calls.call_back(1, lambda: (finish(portal), calls.under_way())) == ((DONE, 1), True)
    assert calls.under_way() == 0


def test_a_call_of_the_resumer_is_not_taken_for_one_of_an_earlier_resumer(calls):
    portal = None

    def begin():
        nonlocal portal
        portal = portal_in(calls, 2, lambda: (wait(), calls.under_way()))

    calls.call_back(1, begin)
    assert calls.call_back(3, lambda: (portal.send(None), calls.under_way())) == (("trap", 3), True)
    assert calls.under_way() == 0
    assert finish(portal) == (("done", 2), True)


def test_portals_inside_of_portals_have_calls_of_their_own(calls):
    inner = []

    def outer():
        inner.append(portal_in(calls, 2))
        seen = calls.under_way()
        await_(trap())
        inner[0].send(None)
        return seen, calls.under_way()

    first = portal_in(calls, 1, outer)
    assert calls.under_way() == 0
    assert finish(first) == ((1, 1), True)
    assert calls.under_way() == 0
    assert finish(inner[0]) == DONE


def test_the_first_portal_inside_of_a_portal_has_calls_of_its_own(built, tmp_path):
    # Nothing has been learned of the library when the outer portal calls it.
    for kind in KINDS:
        calls = load(shutil.copy(built(kind), tmp_path / f"{kind}.so"))
        inner = []

        def outer(calls=calls, inner=inner):
            inner.append(portal_in(calls, 2))
            return wait(), calls.under_way()

        first = portal_in(calls, 1, outer)
        assert calls.under_way() == 0, kind
        assert finish(inner[0]) == DONE
        assert calls.under_way() == 0, kind
        assert finish(first) == (("done", 1), True), kind


def test_a_word_amid_a_large_block_is_found_in_time(tmp_path):
    words = 2000
    options = [f"-DWORDS_BEFORE={words}", f"-DWORDS_AFTER={words}"]
    calls = load(build(tmp_path / "amid.so", "thread-local", *options))
    portal = suspended(calls.call_back, 1, lambda: [await_(trap()) for _ in range(words)])
    for _ in range(200):
        portal.send(None)
    assert calls.under_way() == 0
    assert end_out_of_order([portal_in(calls, number) for number in range(10)]) == [DONE] * 10


def test_a_call_that_ends_with_an_exception_leaves_nothing(calls):
    def fail():
        wait()
        raise LookupError

    portals = [portal_in(calls, number, fail) for number in (1, 2)]
    for portal in portals:
        with pytest.raises(LookupError):
            finish(portal)
    assert calls.under_way() == 0


def test_a_portal_that_is_closed_ends_its_call(calls):
    first, second = portal_in(calls, 1), portal_in(calls, 2)
    first.close()
    assert calls.under_way() == 0
    assert finish(second) == DONE


def test_a_word_that_a_job_leaves_behind_does_not_go_to_the_next(calls):
    def leave_behind():
        await_(trap())
        calls.set_call(id_of_this_stack())

    def id_of_this_stack():
        seen = []
        calls.call_back(1, lambda: seen.append(calls.get_call()))
        return seen[0]

    portal = suspended(leave_behind)
    finish(portal)
    assert calls.get_call() is None
    seen = []
    finish(_engine.open_call_portal(lambda: seen.append(calls.get_call()), ()))
    assert seen == [None]


def test_a_word_that_points_elsewhere_is_left_alone(calls):
    elsewhere = id(calls)

    def change():
        calls.set_call(elsewhere)
        await_(trap())
        return calls.get_call()

    portal = suspended(change)
    assert calls.get_call() == elsewhere
    calls.set_call(None)
    assert finish(portal) is None


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="needs glibc")
def test_thread_locals_of_the_c_library_are_left_alone(built):
    calls = load(built("thread-local"))
    locale_in_use = ctypes.CDLL(None).uselocale
    locale_in_use.restype, locale_in_use.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    before = locale_in_use(None)
    seen = []

    def call(place):
        seen.append(place)
        # A library that is watched has its call exchanged meanwhile.
        return calls.call_back(1, lambda: (wait(), locale_in_use(None)))

    portal = suspended(calls.call_with_locale, call)
    assert calls.under_way() == 0
    assert locale_in_use(None) == seen[0]
    assert finish(portal) == (("done", seen[0]), True)
    assert locale_in_use(None) == before


def test_calls_of_nested_libraries_end_out_of_order(built, tmp_path):
    plain = built("thread-local")
    libraries = [load(shutil.copy(plain, tmp_path / f"{number}.so")) for number in range(100)]

    def nest(index=0):
        if index == len(libraries):
            return wait()
        return libraries[index].call_back(index + 1, lambda: nest(index + 1))

    def depth(result):
        depth = 0
        while result != "done":
            result, is_mine = result
            assert is_mine
            depth += 1
        return depth

    portals = [suspended(nest) for _ in range(5)]
    assert [library.under_way() for library in libraries] == [0] * 100
    assert list(map(depth, end_out_of_order(portals))) == [100] * 5


@pytest.mark.threads
def test_each_thread_has_calls_of_its_own(calls):
    results = {}

    def work(name):
        portals = [portal_in(calls, number) for number in range(1, 11)]
        results[name] = end_out_of_order(portals), calls.under_way()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), ([DONE] * 10, 0))


@pytest.mark.threads
def test_a_thread_that_ends_closes_portals_in_their_calls(calls):
    ends = []

    def note_end():
        try:
            wait()
        finally:
            ends.append(calls.under_way())

    def work():
        portals.extend(portal_in(calls, number, note_end) for number in (1, 2, 3))

    portals = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert sorted(ends) == [1, 2, 3]


@pytest.mark.threads
def test_a_word_of_another_thread_is_left_alone(calls):
    begun, seen = threading.Event(), []

    def keep(address):
        calls.set_call(address)
        begun.set()
        resumed.wait()
        seen.append(calls.get_call())
        calls.set_call(None)

    def hand_over():
        thread = threading.Thread(target=keep, args=(calls.get_call(),))
        thread.start()
        begun.wait()
        await_(trap())
        return thread

    resumed = threading.Event()
    given = []
    portal = portal_in(calls, 1, lambda: (given.append(calls.get_call()), hand_over())[1])
    resumed.set()
    thread, is_mine = finish(portal)
    thread.join()
    assert is_mine
    assert seen == given


def test_tasks_call_back_and_end_out_of_order(calls, library):
    def work(index):
        def callback():
            for turn in range(2):
                await_(library.sleep(0.001 * ((index * 5 + turn * 3) % 7)))
            return index

        return calls.call_back(index + 1, callback)

    async def call(index):
        return await with_portal_run_sync(work, index)

    async def main():
        return await library.gather(*(lambda i=i: call(i) for i in range(50)))

    assert library.run(main) == [(index, True) for index in range(50)]


def test_a_loop_that_runs_in_a_callback_resumes_portals_in_theirs(calls):
    async def main():
        await asyncio.gather(*(with_portal_run_sync(call, index) for index in range(10)))
        return calls.under_way()

    def call(index):
        result = calls.call_back(
            index + 2, lambda: await_(asyncio.sleep(0.001 * (index % 3), index))
        )
        assert result == (index, True)

    assert calls.call_back(1, lambda: asyncio.run(main())) == (1, True)
