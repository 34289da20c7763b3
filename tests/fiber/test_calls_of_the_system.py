"""Which calls of the system stacks take, and that a fork() waits for those under way."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.children import TESTS, check_child, compile_library, preload, run_python

SUPPORT = TESTS / "support"

pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.needs_native(reason="is about stacks of our own"),
    pytest.mark.not_under("asan", "tsan", "qemu", reason="it takes over such calls itself"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="these are calls of Linux"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("library") / "counted_calls.so"
    return compile_library(SUPPORT / "counted_calls.c", place)


def check(library: Path, case: str) -> None:
    script = SUPPORT / "with_counted_calls.py"
    check_child(run_python(script, library, case, LD_PRELOAD=preload(library)))


def test_the_kernel_is_asked_once_for_what_it_has_not(library):
    check(library, "kernel_without_guards")


def test_a_stack_that_is_used_again_has_its_guard_already(library):
    check(library, "stacks_used_again")


def test_stacks_are_prepared_together_by_few_calls(library):
    check(library, "prepared_together")


def test_stacks_that_are_prepared_together_get_their_memory_by_few_calls(library):
    check(library, "populated_together")


def test_mappings_of_guards_are_counted_down_with_their_stacks(library):
    check(library, "mappings_counted_down")


def test_a_stack_that_went_deep_once_takes_no_calls_afterwards(library):
    check(library, "deep_once")


@pytest.mark.threads
def test_a_fork_waits_for_a_thread_that_gives_its_stacks_back(library):
    check(library, "fork_amid_the_end_of_a_thread")
