"""What looks at the stacks of a process from its interpreter or from outside shows what runs."""

from __future__ import annotations

import faulthandler
import os
import shutil
import subprocess
import sys
import threading

import pytest
from support.children import environment

from switchback import _engine, await_, settings


class Waits:
    def __await__(self):
        yield


def inner(look):
    look()
    await_(Waits())
    look()


def outer(look):
    return sorted([1], key=lambda _: inner(look))


def run(look):
    portal = _engine.open_call_portal(outer, (look,))
    portal.send(None)
    with pytest.raises(StopIteration):
        portal.send(None)


def test_the_current_frames_are_those_of_the_portal_that_runs():
    def look():
        frame = sys._current_frames()[threading.get_ident()]
        names = []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        found.append(names)

    found = []
    run(look)
    for names in found:
        assert names[:4] == ["look", "inner", "<lambda>", "outer"]
    assert len(found) == 2


def test_faulthandler_shows_the_frames_of_the_portal_that_runs(tmp_path):
    with open(tmp_path / "stacks", "w") as file:
        run(lambda: faulthandler.dump_traceback(file))
    text = (tmp_path / "stacks").read_text()
    assert text.count("in inner\n") == text.count("in outer\n") == 2
    assert text.index("in inner\n") < text.index("in outer\n")


PROGRAM = """
import sys
from switchback import _engine, await_

class Waits:
    def __await__(self):
        yield

def waits(number):
    return sorted([1], key=lambda _: await_(Waits()))

def hangs():
    return sorted([1], key=lambda _: (print("ready", flush=True), sys.stdin.read()))

portals = [_engine.open_call_portal(waits, (number,)) for number in range(3)]
for portal in portals:
    portal.send(None)
_engine.open_call_portal(hangs, ()).send(None)
"""


def look_from_outside(*command):
    """Run a tool on a process that hangs in a portal; return what it prints."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(SWITCHBACK_BACKEND=settings.backend),
    )
    try:
        assert child.stdout.readline() == b"ready\n"
        arguments = [str(child.pid) if word == "PID" else word for word in command]
        found = subprocess.run(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100
        )
    finally:
        child.kill()
        child.communicate()
    if "ptrace" in found.stdout or "ermission" in found.stdout or "No stack" in found.stdout:
        pytest.skip("processes may not be looked into here")
    return found.stdout


@pytest.mark.in_child_process
@pytest.mark.not_under("asan", "tsan", "qemu", reason="gdb does not follow it there")
def test_gdb_finds_the_end_of_the_stack_of_a_portal_that_runs():
    if shutil.which("gdb") is None:
        pytest.skip("needs gdb")
    text = look_from_outside("gdb", "-nx", "-batch", "-p", "PID", "-ex", "bt 400")
    frames = [line for line in text.splitlines() if line.startswith("#")]
    assert 5 < len(frames) < 399, text
    assert "corrupt stack" not in text
    assert "Cannot access memory" not in text


@pytest.mark.in_child_process
@pytest.mark.not_under("asan", "tsan", "qemu", reason="the interpreter is another program there")
@pytest.mark.minor(before="3.14", reason="py-spy does not know later ones everywhere")
def test_py_spy_shows_the_frames_of_the_portal_that_runs():
    tool = shutil.which("py-spy", path=os.path.dirname(sys.executable))
    if tool is None:
        pytest.skip("needs py-spy")
    text = look_from_outside(tool, "dump", "--pid", "PID")
    frames = text[text.rindex("\nThread ") :]
    assert frames.index("<lambda> (") < frames.index("hangs ("), text
    if settings.backend != "greenlet":  # which cuts off what lies beyond
        assert frames.index("hangs (") < frames.index("<module> (")
