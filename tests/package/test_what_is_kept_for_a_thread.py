"""What programs keep for a thread: what each portal has of its own, and what takes a guard."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import decimal
import functools
import io
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.children import check_child, run_python

from switchback import await_, exclusive, no_await, with_portal_run_sync

variable = contextvars.ContextVar("variable")
local = threading.local()
home = os.getcwd()


@contextmanager
def set_variable(number: int) -> Iterator[None]:
    token = variable.set(number)
    yield
    variable.reset(token)


@contextmanager
def set_local(number: int) -> Iterator[None]:
    before = getattr(local, "number", None)
    local.number = number
    yield
    local.number = before


@contextmanager
def set_filter(number: int) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen.caught = caught
        yield


class Seen:
    """What a step has to look at."""

    caught: list[warnings.WarningMessage]


seen = Seen()

# For each: how it is set for a block, and what is found then where nothing else has changed it.
Case = tuple[Callable[[int], contextlib.AbstractContextManager], Callable[[], object]]

OWN: dict[str, Case] = {
    "context variable": (set_variable, variable.get),
    "decimal": (
        lambda number: decimal.localcontext(decimal.Context(prec=number + 5)),
        lambda: decimal.getcontext().prec,
    ),
}


def find_stdout() -> object:
    return sys.stdout


SHARED: dict[str, Case] = {
    "threading.local": (set_local, lambda: local.number),
    "redirect_stdout": (lambda number: contextlib.redirect_stdout(io.StringIO()), find_stdout),
    "catch_warnings": (set_filter, lambda: id(warnings.filters)),
    "chdir": (
        lambda number: contextlib.chdir("/" if number % 2 else home),
        os.getcwd,
    ),
    "recursion limit": (
        lambda number: recursion_limit(1500 + number),
        sys.getrecursionlimit,
    ),
}


@contextmanager
def recursion_limit(limit: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    yield
    sys.setrecursionlimit(before)


@pytest.fixture(autouse=True)
def put_back():
    """What portals that leave out of order would leave behind."""
    stdout, filters, place = sys.stdout, warnings.filters, Path.cwd()
    limit = sys.getrecursionlimit()
    yield
    sys.stdout, warnings.filters = stdout, filters
    os.chdir(place)
    sys.setrecursionlimit(limit)
    local.__dict__.clear()


async def work_in_ten(work: Callable[[int], bool]) -> list[bool]:
    return await asyncio.gather(*(with_portal_run_sync(work, index) for index in range(10)))


def is_kept(case: Case, number: int, wait: Callable[[], None]) -> bool:
    """Whether it is the same after a wait, in a block that sets it."""
    enter, find = case
    with enter(number):
        before = find()
        wait()
        return find() == before


def wait(number: int) -> None:
    await_(asyncio.sleep(0.001 * (number * 7 % 5)))


@pytest.mark.parametrize("case", OWN.values(), ids=OWN)
def test_portals_have_each_their_own(case):
    def work(number):
        return is_kept(case, number, lambda: wait(number))

    assert asyncio.run(work_in_ten(work)) == [True] * 10


@pytest.mark.parametrize("case", SHARED.values(), ids=SHARED)
def test_portals_of_a_thread_share_it(case):
    if case is SHARED["catch_warnings"] and getattr(sys.flags, "context_aware_warnings", 0):
        pytest.skip("it is a context variable here")

    def work(number):
        return is_kept(case, number, lambda: wait(number))

    assert not all(asyncio.run(work_in_ten(work)))


@pytest.mark.parametrize("case", SHARED.values(), ids=SHARED)
def test_one_at_a_time_keeps_it(case):
    @exclusive
    def work(number):
        return is_kept(case, number, lambda: wait(number))

    assert asyncio.run(work_in_ten(work)) == [True] * 10


@pytest.mark.parametrize("case", SHARED.values(), ids=SHARED)
def test_no_await_keeps_it(case):
    def work(number):
        with no_await():
            try:
                return is_kept(case, number, lambda: wait(number))
            except RuntimeError as error:
                return "no_await()" in str(error)

    assert asyncio.run(work_in_ten(work)) == [True] * 10


CONTEXT_AWARE = """
import asyncio, warnings
from switchback import await_, with_portal_run_sync

def work(number):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await_(asyncio.sleep(0.001 * (number * 7 % 5)))
        warnings.warn(str(number))
        return [str(found.message) for found in caught] == [str(number)]

async def main():
    return await asyncio.gather(*(with_portal_run_sync(work, index) for index in range(10)))

assert asyncio.run(main()) == [True] * 10
"""


@pytest.mark.minor(since="3.14", reason="there are no warnings by context")
@pytest.mark.in_child_process
def test_warnings_by_context_are_each_portals_own():
    check_child(run_python("-X", "context_aware_warnings=1", "-c", CONTEXT_AWARE))


@functools.cache
def cached(key: str) -> list[str]:
    wait(1)
    return [key]


def test_what_is_computed_once_for_a_thread_may_be_computed_twice():
    async def main():
        return await asyncio.gather(*(with_portal_run_sync(cached, "key") for _ in range(2)))

    first, second = asyncio.run(main())
    assert first == second
    assert first is not second
