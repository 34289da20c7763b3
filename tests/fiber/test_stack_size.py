"""The setting for the size of a stack; each case in a process of its own, as it is set once."""

from __future__ import annotations

import subprocess
import textwrap

import pytest
from support.children import run_python

pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.chooses_native(reason="is about native stacks"),
]
only_measured = pytest.mark.minor(since="3.14", reason="the interpreter does not measure stacks")

PRELUDE = """
import asyncio
import sys
import switchback

async def suspend(times=1):
    for _ in range(times):
        await asyncio.sleep(0)

def run(function, *args):
    return asyncio.run(switchback.with_portal_run_sync(function, *args))

def refused(error, size):
    try:
        switchback.settings.stack_size = size
    except error as refusal:
        return str(refusal)
    raise AssertionError("not refused")
"""


def run_child(body: str, size: str | None = None) -> subprocess.CompletedProcess[str]:
    return run_python(
        *("-c", PRELUDE + textwrap.dedent(body)),
        timeout=100,
        merged=False,
        SWITCHBACK_BACKEND="native",
        SWITCHBACK_STACK_SIZE=size,
    )


def succeeds(body: str, size: str | None = None) -> None:
    child = run_child(body, size)
    assert child.returncode == 0, child.stdout + child.stderr


def test_it_is_ten_mebibytes_unless_set():
    succeeds("assert switchback.settings.stack_size == 10 << 20")


def test_it_can_be_larger_and_is_rounded_up():
    succeeds(
        """
        switchback.settings.stack_size = (16 << 20) + 1
        assert switchback.settings.stack_size == (16 << 20) + 65536
        assert run(lambda: switchback.await_(suspend())) is None
        """
    )


def test_it_has_bounds():
    succeeds(
        """
        for size in (-1, 0, (256 << 10) - 1, (1 << 30) + 1, 1 << 100, -(1 << 100)):
            assert "from 262144 to 1073741824" in refused(ValueError, size), size
        assert "an int, not float" in refused(TypeError, 1e6)
        assert switchback.settings.stack_size == 10 << 20
        """
    )


def test_it_is_fixed_by_the_first_stack():
    succeeds(
        """
        run(lambda: switchback.await_(suspend()))
        message = refused(RuntimeError, 12 << 20)
        assert "before the first portal begins" in message and "10485760" in message, message
        switchback.settings.stack_size = 10 << 20  # what it is
        """
    )


def test_the_environment_sets_it():
    succeeds("assert switchback.settings.stack_size == 16 << 20", str(16 << 20))


@pytest.mark.parametrize("size", ["1", "large", "1e6"])
def test_what_the_environment_says_may_be_wrong(size):
    child = run_child("", size)
    assert child.returncode == 1
    assert "ValueError: SWITCHBACK_STACK_SIZE: " in child.stderr


@pytest.mark.minor(before="3.14", reason="the interpreter measures stacks")
def test_small_stacks_are_refused_where_nothing_measures_them():
    succeeds(
        """
        message = refused(ValueError, 8 << 20)
        assert "need CPython 3.14" in message and "segmentation fault" in message, message
        """
    )
    assert "need CPython 3.14" in run_child("", str(1 << 20)).stderr


@only_measured
@pytest.mark.parametrize("size", [256 << 10, 512 << 10, 1 << 20, (3 << 20) // 2, 2 << 20])
def test_portals_run_on_small_stacks(size):
    succeeds(
        f"""
        switchback.settings.stack_size = {size}
        assert switchback.settings.stack_size == {size}

        def work(number):
            for _ in range(3):
                switchback.await_(suspend(number % 3))
            return number

        async def main():
            works = [switchback.with_portal_run_sync(work, n) for n in range(3000)]
            assert await asyncio.gather(*works) == list(range(3000))

        asyncio.run(main())
        """
    )


@only_measured
@pytest.mark.parametrize("size", [256 << 10, 1 << 20])
def test_recursion_on_a_small_stack_ends_in_an_error(size):
    succeeds(
        f"""
        switchback.settings.stack_size = {size}
        sys.setrecursionlimit(100_000)
        deepest = 0

        def through_c(depth=0):
            global deepest
            deepest = depth
            return sorted([0], key=lambda _: through_c(depth + 1))

        def in_python(depth=0):
            if depth == 1000:
                switchback.await_(suspend())
            return depth if depth == 5000 else in_python(depth + 1)

        def work():
            try:
                through_c()
            except RecursionError:
                pass
            else:
                raise AssertionError
            switchback.await_(suspend())
            return deepest

        assert run(work) > 5
        assert run(in_python) == 5000
        assert run(work) > 5
        """
    )


@only_measured
def test_a_small_stack_that_went_deep_gives_its_memory_back():
    succeeds(
        """
        switchback.settings.stack_size = 1 << 20

        from support.resident_memory import resident_bytes

        def deep(depth):
            if depth == 0:
                return switchback.await_(suspend())
            return sorted([0], key=lambda _: deep(depth - 1))

        async def main(depth):
            await asyncio.gather(
                *(switchback.with_portal_run_sync(deep, depth) for _ in range(500))
            )

        sys.setrecursionlimit(10_000)
        asyncio.run(main(1))
        before = resident_bytes()
        left = []
        for _ in range(3):
            asyncio.run(main(60))
            left.append(resident_bytes() - before)
        # 64 KiB in each of the two parts of a stack, and some for all else; the least that was
        # left, as memory for something else may come on top at any time.
        assert min(left) < 500 * 2 * 65536 + 5e6, left
        """
    )
