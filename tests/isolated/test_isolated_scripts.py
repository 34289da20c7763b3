"""What could crash, hang or end the interpreter runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent / "isolated").glob("*.py"))

#: The exit code by which a script says that it does not apply here; its last line says why.
SKIPPED = 77


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script_exits_cleanly(script):
    child = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "error", str(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
    )
    if child.returncode == SKIPPED:
        pytest.skip(child.stdout.strip().rpartition("\n")[2])
    assert child.returncode == 0, f"exit code {child.returncode}\n{child.stdout[-20_000:]}"
    assert "Exception ignored" not in child.stdout, child.stdout[-20_000:]
