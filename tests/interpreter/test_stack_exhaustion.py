"""Recursion in a portal goes as deep as outside, and then ends in an error, never in a crash."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.children import TESTS, run_python

import switchback

RECURSION = TESTS / "support" / "recursion.py"

CASES = [
    "python",
    "method",
    "generator",
    "class_body",
    "map",
    "sorted_key",
    "max_key",
    "reduce",
    "json_dumps",
    "json_loads",
    "json_default",
    "repr",
    "pickle",
    "pickle_reduce",
    "deepcopy",
    "compile_nested",
    "compile_operators",
    "ast_walk",
    "re_sub",
    "re_compile",
    "getattr",
    "comparison",
    "eval",
    "import_hook",
    "isinstance",
]
NESTED = ["await_coroutine", "await_alternating", "portal_run"]

LIMITS = [1000, 3000, 20_000]

# repr() compares an object with all that it is inside of: the time grows with the square of the
# depth, which from 3.14 on is that of the C stack, whatever the limit.
SECONDS = 200
pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.not_under("tsan", reason="ThreadSanitizer itself notes calls to some depth only"),
    pytest.mark.timeout(2 * SECONDS + 60),
]


def run(where: str, case: str, limit: int) -> subprocess.CompletedProcess[str]:
    return run_python(RECURSION, where, case, str(limit), timeout=SECONDS, merged=False)


def marks(case: str, limit: int) -> list[pytest.MarkDecorator]:
    if limit != max(LIMITS):
        return []
    marks = [pytest.mark.page_size]  # the deepest gets nearest to the guard
    if case == "repr":
        reason = "copies gigabytes, which takes nearly as long there as the test waits for it"
        marks.append(pytest.mark.not_under("qemu", reason=reason))
    return marks


DEPTHS = [
    pytest.param(case, limit, id=f"{case}-{limit}", marks=marks(case, limit))
    for case in CASES
    for limit in LIMITS
]


@pytest.mark.parametrize(("case", "limit"), DEPTHS)
def test_as_deep_as_outside(case, limit):
    outside = run("outside", case, limit)
    if outside.returncode != 0:
        assert outside.returncode < 0, outside
        pytest.skip("a crash without a portal, too")
    native_depth, native_end = outside.stdout.split()
    inside = run("inside", case, limit)
    assert inside.returncode == 0, inside
    depth, end = inside.stdout.split()
    assert end == native_end, (inside, outside)
    # The frames of the event loop and of asyncio.run() are below those of a portal. From 3.14 on,
    # which measures the C stack, these and greenlet's own have their bytes on the one stack, too.
    below = 40
    if sys.version_info >= (3, 14) and switchback.settings.backend == "greenlet":
        below = 40 + int(native_depth) // 200
    assert int(depth) >= int(native_depth) - below, (inside, outside)


@pytest.mark.needs_native(
    reason="greenlets nest on the one stack of the thread, which nothing measures up to Python 3.13"
)
@pytest.mark.page_size
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("case", NESTED)
def test_nested_portals_and_awaits_end_in_a_recursion_error(case, limit):
    child = run("inside", case, limit)
    if child.returncode == 77:
        pytest.skip(child.stdout.strip())
    assert child.returncode == 0, child
    depth, end = child.stdout.split()
    assert end in ("RecursionError", "MemoryError"), child
    if limit == 1000:
        assert int(depth) > 50, child
