"""What `python -m switchback` prints, for reports of faults."""

from __future__ import annotations

import platform

import pytest
from support.children import run_python

import switchback

pytestmark = pytest.mark.in_child_process


def report(**changes):
    child = run_python("-m", "switchback", **changes)
    return child.returncode, dict(
        (part.strip() for part in line.split(":", 1)) for line in child.stdout.splitlines()
    )


def test_it_says_what_there_is_and_that_it_works():
    code, lines = report(SWITCHBACK_BACKEND=None)
    assert code == 0
    assert lines["switchback"].startswith(f"{switchback.__version__}, ")
    assert lines["python"].startswith(platform.python_version())
    assert "bytes of address space" in lines["stacks"]
    assert lines["await_()"] == lines["a deep call"] == "ok"
    assert lines["greenlet"][0].isdigit()


def test_it_says_which_backend_and_why():
    _, lines = report(SWITCHBACK_BACKEND="greenlet")
    assert lines["backend"] == "greenlet: switchback.settings.backend says so"
    assert lines["SWITCHBACK_BACKEND"] == "greenlet"
    _, lines = report(SWITCHBACK_BACKEND=None)
    name, _, why = lines["backend"].partition(": ")
    assert name in ("native", "greenlet")
    assert why


def test_what_does_not_work_makes_it_fail():
    code = (
        "import sys; from switchback import __main__ as report\n"
        "def broken(): raise ValueError('it is broken')\n"
        "report.SELF_TESTS['await_()'] = broken\n"
        "sys.exit(report.main())\n"
    )
    child = run_python("-c", code)
    assert child.returncode == 1
    assert "FAILED: ValueError: it is broken" in child.stdout
