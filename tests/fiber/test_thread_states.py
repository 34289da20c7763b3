"""Portals belong to a thread state in a thread, however C code has made, moved and ended those."""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path

import pytest
from support.children import FREED_IN_C, TESTS, check_child, compile_library, run_python

SUPPORT = TESTS / "support"

pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.needs_native(reason="greenlet takes a thread for a thread state"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("library") / "thread_states.so"
    headers = sysconfig.get_paths()["include"]
    return compile_library(SUPPORT / "thread_states.c", place, f"-I{headers}", "-lpthread")


def check(library: Path, case: str) -> None:
    script = SUPPORT / "in_thread_states.py"
    check_child(run_python(script, library, case, **FREED_IN_C))


def test_a_portal_belongs_to_one_of_the_states_of_its_thread(library):
    check(library, "belongs_to_one_state")


def test_a_portal_that_outlives_its_state_says_so(library):
    check(library, "outlives_its_state")


def test_portals_of_each_state_of_a_thread_are_unwound(library):
    check(library, "each_state")


def test_a_state_that_ends_leaves_the_portals_of_others(library):
    check(library, "others_of_a_state_that_ends")


def test_a_state_that_is_cleared_by_another_leaves_the_portals_of_that(library):
    check(library, "cleared_from_outside")


def test_a_state_that_ends_in_a_thread_without_portals(library):
    check(library, "ends_in_another_thread")


def test_a_state_that_moves_to_another_thread_leaves_its_portals(library):
    check(library, "moves_to_another_thread")


def test_python_code_that_runs_after_the_stacks_of_its_thread_are_gone(library):
    check(library, "after_thread_locals")


def test_c_code_called_as_a_foreign_thread_ends_finds_its_state_in_use(library):
    check(library, "c_code_as_a_foreign_thread_ends")


@pytest.mark.minor(since="3.14", reason="the C stack is not measured before")
def test_the_limits_of_the_stack_are_the_threads_where_a_greenlet_is_on_it(library):
    if importlib.util.find_spec("greenlet") is None:
        pytest.skip("needs greenlet")
    check(library, "goes_back_to_the_threads_stack")


def test_what_closing_leaves_in_a_thread_that_ends_is_freed(library):
    check(library, "what_closing_leaves")


def test_the_record_of_a_thread_outlives_it_while_portals_refer_to_it(library):
    check(library, "record_outlives_its_thread")
