"""The memory of idle stacks that have been deep, whatever the frames there have left out."""

from __future__ import annotations

import ctypes
import sys
import sysconfig

import pytest
from support.by_hand import finish, suspended, trap
from support.children import TESTS, compile_library
from support.resident_memory import resident_bytes
from support.threads import in_thread

from switchback import await_

pytestmark = [
    pytest.mark.needs_native(reason="is about stacks of our own"),
    pytest.mark.not_under("asan", "tsan", "qemu", reason="resident memory tells nothing there"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]


def in_c(levels, function):
    return max([levels], key=lambda _: in_c(levels - 1, function) if levels else function())


def use_and_finish(function):
    """How much memory 200 portals use while they are suspended, and when they have ended."""
    before = resident_bytes()
    portals = [suspended(function) for _ in range(200)]
    used = resident_bytes() - before
    for portal in portals:
        finish(portal)
    portals.clear()
    return used, resident_bytes() - before


def test_a_stack_that_was_deep_in_c_alone_gives_its_memory_back():
    def deep():
        repr(value)
        await_(trap())

    value = []
    for _ in range(700):
        value = [value]
    used, left = in_thread(use_and_finish, deep)
    assert used > 200 * 80_000
    assert left < used * 0.8, (used, left)


def test_a_stack_that_was_suspended_deep_gives_its_memory_back(tmp_path):
    headers = sysconfig.get_paths()["include"]
    source = TESTS / "support" / "room_on_the_stack.c"
    library = compile_library(source, tmp_path / "room.so", f"-I{headers}", "-O0")
    code = ctypes.PyDLL(str(library))
    code.call_below.argtypes = [ctypes.py_object, ctypes.c_size_t]
    code.call_below.restype = ctypes.py_object

    def deep():
        code.call_below(lambda: in_c(20, lambda: await_(trap())) and None, 256 * 1024)

    used, left = in_thread(use_and_finish, deep)
    assert used > 200 * 30_000
    assert left < used * 0.6, (used, left)
