"""Where debugpy stops in synchronous functions of portals: as it does in async ones."""

from __future__ import annotations

import pytest
from support.debug_adapter import DebugAdapter

from switchback import settings

pytestmark = [pytest.mark.in_child_process, pytest.mark.timeout(200)]

NATIVE = """\
import asyncio
from switchback import await_, ensure_portal

async def fetch(number):
    await asyncio.sleep(0)
    return number

async def inner(number):
    first = await fetch(number)
    second = await fetch(first)
    return first + second

async def work():
    before = 1
    got = await inner(before)
    more = await inner(2)
    return got + more

async def other():
    for number in range(200):
        await asyncio.sleep(0)

async def main():
    task = asyncio.create_task(other())
    await ensure_portal()
    result = await work()
    await task
    return result

asyncio.run(main())
"""

PORTAL = NATIVE
for _name in ("inner", "work"):
    PORTAL = PORTAL.replace(f"async def {_name}", f"def {_name}").replace(f"await {_name}", _name)
for _name in ("number", "first"):
    PORTAL = PORTAL.replace(f"await fetch({_name})", f"await_(fetch({_name}))")

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
