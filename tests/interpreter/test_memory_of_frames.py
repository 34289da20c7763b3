"""What the interpreter takes for frames deep in a stack is given back, whatever switches there."""

from __future__ import annotations

import sys

import pytest
from support.by_hand import finish, suspended, trap
from support.resident_memory import STATM, mapped_bytes

from switchback import _engine, await_

pytestmark = [
    pytest.mark.skipif(not STATM.exists(), reason="reads /proc"),
    pytest.mark.needs_native(reason="greenlet leaves frames where they are"),
    pytest.mark.not_under("asan", "tsan", "qemu", reason="mapped memory tells nothing there"),
]


def recurse(levels, function):
    a = b = c = d = e = f = levels
    return function() if a + b + c + d + e + f <= 0 else recurse(levels - 1, function)


def wait():
    await_(trap())


def mapped_by(function):
    """How many bytes are mapped by calls of a function, after some first ones."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        for _ in range(5):
            function()
        before = mapped_bytes()
        for _ in range(50):
            function()
        return mapped_bytes() - before
    finally:
        sys.setrecursionlimit(limit)


def test_frames_of_the_resumer_are_given_back():
    def run():
        portal = suspended(wait)
        recurse(1_500, lambda: finish(portal))

    assert mapped_by(run) < 2 << 20


def test_frames_of_a_step_are_given_back():
    def run():
        finish(_engine.open_call_portal(recurse, (5_000, wait)))

    assert mapped_by(run) < 2 << 20
