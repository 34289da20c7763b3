"""Where the interpreter's internals are not known, portals run on greenlet, and users are told.

scripts/unknown-minor.sh builds this configuration for a minor that is known.
"""

from __future__ import annotations

import subprocess
import textwrap

import pytest
from support.children import run_python

import switchback
from switchback import _engine

pytestmark = [pytest.mark.in_child_process, pytest.mark.unknown_minor]

unknown = pytest.mark.skipif(
    _engine.native_obstacle() is None, reason="the internals of this interpreter are known"
)


def run(body: str, *options: str, backend: str = "") -> subprocess.CompletedProcess[str]:
    code = textwrap.dedent(body)
    return run_python(*options, "-c", code, merged=False, SWITCHBACK_BACKEND=backend)


AWAITS = """
    import asyncio
    from switchback import await_, with_portal_run_sync
    print(asyncio.run(with_portal_run_sync(lambda: await_(asyncio.sleep(0, "done")))))
"""


@pytest.mark.skipif(_engine.native_obstacle() is not None, reason="they are not known")
def test_where_the_internals_are_known_nothing_is_said():
    child = run(AWAITS, "-W", "error")
    assert (child.returncode, child.stdout, child.stderr) == (0, "done\n", "")


@unknown
def test_the_import_warns_once_and_says_what_to_do():
    child = run(AWAITS + "    import switchback\n")
    assert (child.returncode, child.stdout) == (0, "done\n")
    assert child.stderr.count("RuntimeWarning") == 1
    assert "package greenlet" in child.stderr
    assert "Please report it" in child.stderr
    assert '<string>", line' in child.stderr or "<string>:" in child.stderr


@unknown
def test_who_has_chosen_greenlet_is_not_warned():
    child = run(AWAITS, "-W", "error", backend="greenlet")
    assert (child.returncode, child.stdout, child.stderr) == (0, "done\n", "")


@unknown
def test_native_is_refused_with_the_remedy():
    before = switchback.settings.backend
    with pytest.raises(RuntimeError, match=r"settings\.backend = 'auto' or 'greenlet'"):
        switchback.settings.backend = "native"
    assert switchback.settings.backend == before
    child = run("import switchback", backend="native")
    assert child.returncode != 0
    assert "settings.backend = 'auto' or 'greenlet'" in child.stderr


@unknown
def test_without_greenlet_the_first_portal_names_it():
    child = run(
        """
        import sys
        sys.modules["greenlet"] = None
        """
        + textwrap.indent(AWAITS, "    "),
        "-W",
        "ignore",
    )
    assert child.returncode != 0
    assert child.stderr.rstrip().rpartition("\n")[2].startswith("RuntimeError: ")
    assert "package greenlet" in child.stderr
