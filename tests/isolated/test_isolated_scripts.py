"""What could crash, hang or end the interpreter runs in a process of its own: each script here."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.children import FREED_IN_C, check_child, run_python
from support.conditions import marks_of_script

HERE = Path(__file__).parent
SCRIPTS = [
    pytest.param(script, id=script.stem, marks=marks_of_script(script.read_text(encoding="utf-8")))
    for script in sorted(HERE.glob("*.py"))
    if script != Path(__file__)
]

pytestmark = [pytest.mark.in_child_process, pytest.mark.quick]


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_exits_cleanly(script):
    check_child(run_python("-W", "error", script, timeout=90, **FREED_IN_C))
