"""What can be typed at the prompt of a debugger in a synchronous function of a portal."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.children import environment

from switchback import settings

pytestmark = pytest.mark.in_child_process

PROGRAM = """\
import asyncio
from switchback import await_, with_portal_run_sync

ticks = 0

async def fetch(number):
    await asyncio.sleep(0.05)
    return number * 100

async def other():
    global ticks
    while True:
        await asyncio.sleep(0.001)
        ticks += 1

def work():
    local = 7
    breakpoint()
    return local

async def main():
    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    print("result", await with_portal_run_sync(work), ticks > 0)
    task.cancel()

asyncio.run(main())
"""


def session(tmp_path, *commands, hook="switchback.inspect.set_trace", program=PROGRAM):
    """Return what is printed while the commands are typed."""
    path = tmp_path / "program.py"
    path.write_text(program)
    child = subprocess.run(
        [sys.executable, path],
        input="\n".join([*commands, "continue", ""]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env=environment(
            SWITCHBACK_BACKEND=settings.backend,
            PYTHONBREAKPOINT=hook,
            NO_COLOR="1",
            PYTHON_COLORS="0",
            TERM="dumb",
        ),
    )
    assert child.returncode == 0, child.stdout
    return child.stdout


@pytest.mark.parametrize("step", [None, "next"])
@pytest.mark.parametrize(
    "command",
    ["await_(fetch(local))", "await fetch(local)", "p await fetch(local)", "!await fetch(local)"],
)
def test_what_is_typed_awaits_while_the_others_go_on(tmp_path, step, command):
    commands = ["p 'before', ticks", command, "p 'after', ticks > 5"]
    text = session(tmp_path, *([step] if step else []), *commands)
    assert "('before', 0)" in text
    assert "700" in text
    assert "('after', True)" in text
    assert "result 7 True" in text
    # Nothing has stopped anywhere else.
    assert "other()" not in text


def test_the_others_stand_still_if_told_so(tmp_path):
    commands = ["others stand still", "await fetch(local)", "p 'after', ticks"]
    text = session(tmp_path, *commands, "others go on", "await fetch(1)", "p 'later', ticks > 5")
    assert "the others stand still" in text
    assert "700" in text
    assert "('after', 0)" in text
    assert "('later', True)" in text
    assert "result 7 True" in text


def test_variables_are_set_by_what_was_awaited(tmp_path):
    text = session(tmp_path, "found = await fetch(3)", "p found + local", "local = await fetch(2)")
    assert "307" in text
    assert "Error" not in text


def test_what_is_raised_is_shown_and_the_prompt_goes_on(tmp_path):
    commands = ["await fetch(None)", "p await fetch('a', 'b')", "await (", "p local"]
    text = session(tmp_path, *commands)
    assert "unsupported operand" in text
    assert "TypeError" in text
    assert "SyntaxError" in text
    assert "result 7" in text


POST_MORTEM = """\
import asyncio, pdb, sys
from switchback import await_, ensure_portal

async def leaf():
    await asyncio.sleep(0)
    raise KeyError("leaf")

def inner():
    return sorted([1], key=lambda number: await_(leaf()))

async def outer():
    await ensure_portal()
    inner()

try:
    asyncio.run(outer())
except KeyError:
    pdb.post_mortem(sys.exc_info()[2])
"""


def test_post_mortem_shows_all_frames_and_moves_through_them(tmp_path):
    text = session(tmp_path, "where", "up", "p 'here', number", program=POST_MORTEM)
    where = text[text.index("(Pdb)") :]
    places = [where.index(f"){name}()") for name in ("outer", "inner", "<lambda>", "leaf")]
    assert places == sorted(places)
    assert "('here', 1)" in text
