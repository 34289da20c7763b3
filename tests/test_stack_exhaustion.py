"""Recursion in a portal goes as deep as outside, and then ends in an error, never in a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import switchback

RECURSION = Path(__file__).parent / "support" / "recursion.py"

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
pytestmark = pytest.mark.timeout(2 * SECONDS + 60)


def run(where: str, case: str, limit: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", RECURSION, where, case, str(limit)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("case", CASES)
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
