"""switchback.settings: its names, its values, and what environment variables say of them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

import switchback
from switchback import settings

chooses_native = pytest.mark.chooses_native(reason="chooses the native backend")


def run(body: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a new process, whose settings are those of `environment` alone."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SWITCHBACK_")}
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(body)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=inherited | environment,
    )


def output(body: str, **environment: str) -> str:
    child = run(body, **environment)
    assert child.returncode == 0, child.stderr
    return child.stdout.strip()


@pytest.mark.parametrize("name", ["back_end", "stacksize", "Backend", "_backend", "__dict__"])
def test_a_misspelt_name_cannot_be_set(name):
    with pytest.raises(AttributeError, match="'backend', 'stack_size' and 'debug'") as caught:
        setattr(settings, name, "native")
    assert repr(name) in str(caught.value)
    assert not hasattr(settings, name)


def test_a_misspelt_name_cannot_be_read():
    with pytest.raises(
        AttributeError, match="no 'back_end', but 'backend', 'stack_size' and 'debug'"
    ):
        settings.back_end  # type: ignore[attr-defined]


def test_the_representation_shows_the_values():
    size = settings.stack_size
    assert repr(settings) == (
        f"<switchback.settings: backend={settings.backend!r}, stack_size={size}, debug=False>"
    )


@pytest.mark.parametrize("name", ["backend", "stack_size"])
def test_each_setting_is_documented(name):
    text = getattr(type(settings), name).__doc__
    for word in ("SWITCHBACK_", "set", "raises", "`ValueError`", "`TypeError`", "`RuntimeError`"):
        assert word in text


@pytest.mark.parametrize("name", ["backend", "stack_size"])
def test_the_package_has_no_setting_of_its_own(name):
    with pytest.raises(AttributeError, match=name):
        getattr(switchback, name)


def test_there_is_nothing_set_by_default():
    program = "import switchback as s; print(s.settings.stack_size, s.settings.backend)"
    child = run(program, "-W", "ignore")
    assert child.stdout.split() == [str(10 << 20), "auto"]


def test_environment_variables_set_what_a_program_begins_with():
    program = "import switchback; print(switchback.settings)"
    assert output(program, SWITCHBACK_BACKEND="greenlet", SWITCHBACK_STACK_SIZE="16777216") == (
        "<switchback.settings: backend='greenlet', stack_size=16777216, debug=False>"
    )


@pytest.mark.parametrize(
    ("value", "size"),
    [("12M", 12 << 20), ("12 MiB", 12 << 20), ("16384k", 16 << 20), ("1G", 1 << 30)],
)
def test_the_size_of_a_stack_may_have_a_unit(value, size):
    program = "import switchback; print(switchback.settings.stack_size)"
    assert output(program, SWITCHBACK_STACK_SIZE=value) == str(size)


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("SWITCHBACK_BACKEND", "nativ", "the backend is one of 'auto', 'native' and 'greenlet'"),
        (
            "SWITCHBACK_STACK_SIZE",
            "10 x",
            "a number of bytes, which K, M or G may follow, not '10 x'",
        ),
        (
            "SWITCHBACK_STACK_SIZE",
            "MiB",
            "a number of bytes, which K, M or G may follow, not 'MiB'",
        ),
        ("SWITCHBACK_STACK_SIZE", "-1", "from 262144 to 1073741824"),
    ],
)
def test_what_a_variable_says_wrongly_names_the_variable(variable, value, problem):
    child = run("import switchback", **{variable: value})
    assert child.returncode == 1
    last = child.stderr.splitlines()[-1]
    assert last.startswith(f"ValueError: {variable}: ")
    assert problem in last


WITHOUT_NATIVE = """
import importlib.machinery
import importlib.util
import sys

# The engine as it is where it does not know the interpreter.
package = importlib.util.find_spec("switchback")
engine = importlib.machinery.PathFinder.find_spec(
    "switchback._engine", package.submodule_search_locations
)
module = importlib.util.module_from_spec(engine)
engine.loader.exec_module(module)
module.native_obstacle = lambda: "nothing is known here"
sys.modules["switchback._engine"] = module

{statement}
"""


@pytest.mark.in_child_process
@pytest.mark.parametrize(
    "statement",
    ["import switchback", "from switchback import await_", "import switchback._engine"],
)
def test_the_warning_names_the_line_that_imports(statement, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(WITHOUT_NATIVE.format(statement=statement))
    line = program.read_text().splitlines().index(statement) + 1
    child = run(f"import runpy; runpy.run_path({str(program)!r})")
    assert child.returncode == 0, child.stderr
    warning = f"{program}:{line}: RuntimeWarning: no native backend: nothing is known here"
    assert warning in child.stderr.splitlines()
    assert child.stderr.count("RuntimeWarning") == 1


@pytest.mark.in_child_process
def test_who_has_chosen_a_backend_is_not_warned(tmp_path):
    program = WITHOUT_NATIVE.format(statement="import switchback")
    child = run(program, SWITCHBACK_BACKEND="greenlet")
    assert (child.returncode, child.stderr) == (0, "")


@chooses_native
def test_a_setting_counts_at_once():
    assert output(
        """
        import asyncio
        import switchback
        from switchback import _engine

        switchback.settings.backend = "native"
        switchback.settings.stack_size = 12 << 20
        asyncio.run(switchback.with_portal_run_sync(lambda: None))
        print(_engine.get_backend(), _engine.get_stack_size())
        """
    ).split() == ["native", str(12 << 20)]
