"""The first frames of Python functions on a stack lie in memory that it has already."""

import pytest
from support.children import TESTS, check_child, compile_library, preload, run_python

pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.minor(since="3.12", reason="up to 3.11 the interpreter crashes without memory"),
    pytest.mark.needs_native(reason="is about stacks of our own"),
    pytest.mark.not_under("asan", "tsan", reason="a sanitizer maps memory of its own"),
]


def test_steps_and_what_follows_them_map_no_memory(tmp_path):
    library = compile_library(
        TESTS / "support" / "failing_calls.c", tmp_path / "failing.so", "-ldl"
    )
    script = TESTS / "support" / "without_new_mappings.py"
    check_child(run_python(script, str(library), LD_PRELOAD=preload(library)))
