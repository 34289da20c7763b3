"""What tools find that follow calls: the same in portals as in async functions."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest
from support.children import check_child, run_python
from support.tool_programs import FUNCTIONS, PORTAL

from switchback import settings

pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.not_under("asan", "asan-greenlet", "tsan", reason="tools load code of their own"),
]

CORES = ["ctrace", "pytrace", "sysmon"]


def found_by(tool, program):
    package = tool.partition("-")[0]
    if package != "cprofile" and importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}")
    child = run_python(
        "-m",
        "support.tool_programs",
        program,
        tool,
        merged=False,
        SWITCHBACK_BACKEND=settings.backend,
    )
    return json.loads(check_child(child))


@pytest.mark.parametrize("tool", ["cprofile", "profile", "viztracer", "line_profiler", "memray"])
def test_a_profiler_finds_the_same(tool):
    if tool == "memray" and settings.backend == "greenlet":
        pytest.skip("memray itself follows greenlets")
    if tool == "profile" and settings.backend == "greenlet":
        pytest.skip("profile follows f_back, which greenlet cuts")
    native = found_by(tool, "native")
    assert len(native) >= 2
    assert found_by(tool, "portal") == native


@pytest.mark.parametrize("branch", ["branch", "line"])
@pytest.mark.parametrize("core", CORES)
def test_coverage_finds_every_line_and_branch(core, branch):
    if core == "sysmon" and sys.version_info < ((3, 14) if branch == "branch" else (3, 12)):
        pytest.skip("coverage uses another core")
    [[missing], branches] = found_by(f"coverage-{core}-{branch}", "portal")
    assert PORTAL.splitlines()[missing - 2].strip() == "def never_called():"
    assert branches == ([] if branch == "branch" else None)


def test_yappi_finds_the_time_of_each_function():
    native, portal = found_by("yappi", "native"), found_by("yappi", "portal")
    assert set(native) == set(portal) == set(FUNCTIONS)
    # Without events at switches it is a part of it: what comes before the first one.
    assert portal["middle"] > 0.6 * native["middle"]
    assert portal["middle"] > portal["spin"] * 0.5
