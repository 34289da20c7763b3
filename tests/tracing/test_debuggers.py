"""Where debuggers stop in synchronous functions of portals: as they do in async ones."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from support.children import environment
from support.debugged_programs import programs

from switchback import settings

pytestmark = [
    pytest.mark.in_child_process,
]

NATIVE, PORTAL = programs("set_trace()", 20)

DEBUGGERS = {
    "pdb": "from pdb import set_trace\n",
    # From 3.14 on that is a tool of sys.monitoring, and this is not.
    "settrace": "import sys, pdb; set_trace = lambda: pdb.Pdb().set_trace(sys._getframe(1))\n",
    "ipython": "from IPython.core.debugger import set_trace\n",
}


def stops(tmp_path, debugger, program, commands):
    """Return where the debugger stops, by the names of functions and by lines.

    A coroutine's end is shown in its caller, as an internal StopIteration, and a function's in
    itself.
    """
    path = tmp_path / "program.py"
    path.write_text(
        program.replace("import asyncio\n", f"import asyncio; {DEBUGGERS[debugger]}", 1)
    )
    # From 3.13 on pdb stops at set_trace() itself.
    first = ["next"] if sys.version_info >= (3, 13) else []
    child = subprocess.run(
        [sys.executable, path],
        input="\n".join([*first, *commands, "continue", ""]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        env=environment(SWITCHBACK_BACKEND=settings.backend, NO_COLOR="1", TERM="dumb"),
        cwd=tmp_path,
    )
    assert child.returncode == 0, child.stdout
    plain = re.sub(r"\x1b\[[0-9;]*m", "", child.stdout)
    found = re.findall(r"> \S+program\.py\((\d+)\)(\w+)\(\)|(--Return--|Internal StopIter)", plain)
    return [(name, int(line)) if name else "end" for line, name, _ in found][len(first) :]


def same_as_native(found, native):
    """Whether the stops are the same, but for those at an end, as far as both go."""
    skip = [at for at, stop in enumerate(native) if "end" in native[max(at - 1, 0) : at + 1]]
    pairs = zip(found, native, strict=False)
    return all(pair[0] == pair[1] for at, pair in enumerate(pairs) if at not in skip)


@pytest.mark.parametrize("debugger", DEBUGGERS)
@pytest.mark.parametrize(
    "commands",
    [
        ["next"] * 5,
        ["step"] * 25,
        ["until"] * 5,
        ["next", "step", "step", "return", "next"],
        ["step", "return", "next", "next", "return", "next"],
        ["step", "step", "until", "until", "until"],
        ["tbreak fetch", "continue", "return", "next", "next", "return"],
    ],
    ids=" ".join,
)
def test_a_debugger_stops_where_it_does_in_async_functions(tmp_path, debugger, commands):
    if debugger == "ipython":
        pytest.importorskip("IPython")
    if debugger == "settrace" and sys.version_info < (3, 14):
        pytest.skip("it is what pdb has there")
    native = stops(tmp_path, debugger, NATIVE, commands)
    found = stops(tmp_path, debugger, PORTAL, commands)
    assert len(found) >= 3
    assert same_as_native(found, native), f"{found}\n{native}"


def test_return_leads_through_every_function(tmp_path):
    commands = ["step", "step", "step", *["return"] * 2]
    found = stops(tmp_path, "pdb", PORTAL, commands)
    # The end of the coroutine is shown in its caller, and that of the function in itself.
    assert found[-4:] == ["end", ("inner", 9), "end", ("inner", 11)]
