"""greenback's own test suite passes on Switchback, but for a list of reasoned exclusions."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.children import environment
from support.greenback_exclusions import EXCLUSIONS

pytestmark = [pytest.mark.imports_greenlet, pytest.mark.in_child_process]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Run greenback's tests, from a copy, and return what they did."""
    for needed in ("trio", "anyio", "greenlet", "sniffio"):
        pytest.importorskip(needed)
    # find_spec() does not import: greenback itself must not be loaded where we take its name.
    spec = importlib.util.find_spec("greenback")
    if spec is None or spec.origin is None:
        pytest.skip("greenback is not installed, so its tests are not there to be run")
    root = tmp_path_factory.mktemp("suite")
    copy = root / "greenback"
    shutil.copytree(
        Path(spec.origin).parent / "_tests",
        copy / "_tests",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (copy / "__init__.py").touch()  # by which pytest finds the name of the package
    (root / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    results = root / "results.json"
    variables = environment(
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
        PYTEST_ADDOPTS=None,
        GREENBACK_COPY=str(copy),
        GREENBACK_RESULTS=str(results),
    )
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        "-m",
        "pytest",
        "-p",
        "support.greenback_plugin",
    ]
    command += [
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "-W",
        "ignore::DeprecationWarning",
        "--tb=short",
        "-q",
        "greenback/_tests",
    ]
    child = subprocess.run(
        command, cwd=root, env=variables, capture_output=True, text=True, timeout=100
    )
    assert results.exists(), child.stdout + child.stderr
    return {**json.loads(results.read_text(encoding="utf-8")), "output": child.stdout}


def test_every_test_that_is_not_excluded_passes(suite):
    expected = {test for test in suite["collected"] if test not in EXCLUSIONS}
    passed = {test for test, outcome in suite["outcomes"].items() if outcome == "passed"}
    assert len(expected) >= 20, suite["output"]
    assert passed == expected, suite["output"]


def test_every_exclusion_names_a_test_of_the_suite(suite):
    assert set(EXCLUSIONS) <= set(suite["collected"])


def test_every_exclusion_has_a_reason():
    assert all(reason.strip() for reason in EXCLUSIONS.values())
