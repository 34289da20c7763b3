"""nest_asyncio: its own test suites on what stands in for it, and portals beside the real one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.children import environment

pytestmark = pytest.mark.in_child_process

SUPPORT = Path(__file__).parent.parent / "support"
#: Where scripts/setup.sh unpacks requirements/sources.txt.
SOURCES = Path(sys.prefix) / "sources"


def source_of(name):
    found = sorted(SOURCES.glob(f"{name}-*/"))
    if not found:
        pytest.skip(f"the source distribution of {name} is not in {SOURCES}")
    return found[0]


def run(script, *arguments, path=()):
    child = subprocess.run(
        [sys.executable, "-X", "faulthandler", SUPPORT / script, *map(str, arguments)],
        env=environment(PYTHONPATH=os.pathsep.join(map(str, path))),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert child.returncode == 0, child.stdout + child.stderr
    return child.stdout + child.stderr


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("name, tests", [("nest_asyncio", 6), ("nest_asyncio2", 7)])
def test_their_own_suites_pass(name, tests, loop):
    folder = source_of(name) / "tests"
    assert f"{name}: {tests} run" in run("nest_suite.py", name, folder, loop)


of_3_12 = pytest.mark.minor(since="3.12", reason="the script uses what came with 3.12")
SCRIPTS = [
    "36_asyncgen_hooks",
    "call_soon_anyio",
    "scheduler",
    pytest.param("312_loop_factory", marks=of_3_12),
    pytest.param("314_task", marks=of_3_12),
    pytest.param("314_task_mix", marks=of_3_12),
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_their_own_scripts_pass(script):
    run("as_nest_asyncio.py", source_of("nest_asyncio2") / "tests" / f"{script}.py")


@pytest.mark.parametrize("name", ["nest_asyncio", "nest_asyncio2"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_beside_the_real_one(name, when):
    if name == "nest_asyncio" and sys.version_info >= (3, 14):
        pytest.skip("from 3.14 on, it breaks current_task()")
    run("real_nest_asyncio.py", when, name, path=[source_of(name)])


def test_it_is_refused_once_the_real_one_is_imported():
    source = source_of("nest_asyncio")
    program = (
        "import nest_asyncio, switchback\n"
        "try: switchback.install_as_nest_asyncio()\n"
        "except RuntimeError as error: assert 'imported already' in str(error)\n"
        "else: raise AssertionError\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env=environment(PYTHONPATH=str(source)),
        check=True,
        timeout=60,
    )


def test_what_is_imported_after_asyncio_is_patched_is_patched_too():
    pytest.importorskip("uvloop")
    run("late_imports.py")
