"""Where debugpy stops in synchronous functions of portals: as it does in async ones."""

from __future__ import annotations

import pytest
from support.debug_adapter import DebugAdapter
from support.debugged_programs import programs

from switchback import settings

pytestmark = [pytest.mark.in_child_process, pytest.mark.timeout(200)]

NATIVE, PORTAL = programs("before = 1", 200)
FIRST_LINE = NATIVE.splitlines().index("    before = 1") + 1


def stops(folder, program, commands):
    folder.mkdir()
    path = folder / "program.py"
    path.write_text(program)
    with DebugAdapter(path, settings.backend) as adapter:
        found = [adapter.start(FIRST_LINE)]
        for command in commands:
            found.append(adapter.do(command))
            if found[-1] is None:
                break
        return found


@pytest.mark.parametrize(
    "commands",
    [
        ["next"] * 4,
        ["next", "stepIn", "next", "next", "next", "next"],
        ["next", "stepIn", "stepIn", "next", "stepOut", "next"],
        ["next", "stepIn", "next", "stepOut", "next", "stepIn", "stepOut"],
    ],
    ids=" ".join,
)
def test_debugpy_stops_where_it_does_in_async_functions(tmp_path, commands):
    pytest.importorskip("debugpy")
    native = stops(tmp_path / "native", NATIVE, commands)
    found = stops(tmp_path / "portal", PORTAL, commands)
    assert native[0][0] == ("work", FIRST_LINE)
    assert found == native
