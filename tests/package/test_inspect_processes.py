"""Looking at a process that runs or hangs: on a signal, and from another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.children import environment, run_python

from switchback import settings

pytestmark = pytest.mark.in_child_process

PROGRAM = """
import asyncio, os, signal, sys, threading, time
import switchback.inspect
from switchback import await_, with_portal_run_sync

async def forever():
    await asyncio.get_running_loop().create_future()

def waits():
    return sorted([1], key=lambda _: await_(forever()))

def hangs(how):
    print("ready", flush=True)
    if how == "busy":
        while True:
            pass
    elif how == "lock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    elif how == "child":
        if os.fork():
            os.wait()
        else:
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.1)
            os._exit(0)
    else:
        await_(forever())

async def main():
    if sys.argv[2] == "on_signal":
        switchback.inspect.on_signal(signal.SIGUSR1, sys.stdout)
    task = asyncio.create_task(with_portal_run_sync(waits))
    await asyncio.sleep(0)
    await with_portal_run_sync(hangs, sys.argv[1])

asyncio.run(main())
"""


class Hung:
    """A process that waits for ever, and what it prints."""

    def __init__(self, how, *, on_signal=False):
        self.child = subprocess.Popen(
            [sys.executable, "-u", "-c", PROGRAM, how, "on_signal" if on_signal else ""],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(SWITCHBACK_BACKEND=settings.backend),
        )
        assert self.child.stdout.readline() == "ready\n"
        time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()

    def lines_to(self, last):
        lines = []
        while not lines or last not in lines[-1]:
            lines.append(self.child.stdout.readline())
            assert lines[-1]
        return "".join(lines)


def assert_waits_in_order(text):
    text = text[text.index("waits in a switchback portal") :]
    places = [text.index(f", in {name}\n") for name in ("waits", "<lambda>", "forever")]
    assert places == sorted(places)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no such signal here")
@pytest.mark.parametrize("how", ["busy", "lock", "loop", "child"])
def test_a_signal_has_a_process_printed_that_hangs(how):
    with Hung(how, on_signal=True) as hung:
        for _ in range(1 if how == "child" else 2):
            if how != "child":
                hung.child.send_signal(signal.SIGUSR1)
            assert_waits_in_order(hung.lines_to("portals are suspended"))
        assert hung.child.poll() is None or how == "child"


def inspect(*arguments):
    return run_python("-m", "switchback", "inspect", *map(str, arguments), timeout=60)


@pytest.mark.minor(before="3.14", reason="can look into processes from there on")
def test_where_no_process_can_be_looked_into_the_message_says_what_to_do():
    child = inspect(os.getpid())
    assert child.returncode == 2
    assert "that takes 3.14 or later" in child.stdout
    assert "switchback.inspect.on_signal(signal.SIGUSR1)" in child.stdout
    assert f"kill -USR1 {os.getpid()}" in child.stdout


since_3_14 = pytest.mark.minor(since="3.14", reason="sys.remote_exec() is new in 3.14")


def skip_unless_allowed(child):
    if child.returncode == 2 and ("ermission" in child.stdout or "not permitted" in child.stdout):
        pytest.skip("other processes may not be looked into here")


@since_3_14
@pytest.mark.parametrize("how", ["busy", "loop"])
def test_the_portals_and_threads_of_a_process_are_printed(how):
    with Hung(how) as hung:
        child = inspect(hung.child.pid, "--wait", 20)
    skip_unless_allowed(child)
    assert child.returncode == 0, child.stdout
    assert_waits_in_order(child.stdout)
    threads = child.stdout[child.stdout.index("Thread MainThread") :]
    assert ("in hangs" in threads) == (how == "busy")
    assert "_switchback_looks" not in threads
    assert "_remote" not in threads


@since_3_14
def test_a_process_that_runs_no_python_code_is_told_of():
    with Hung("lock") as hung:
        child = inspect(hung.child.pid, "--wait", 0.5)
    skip_unless_allowed(child)
    assert child.returncode == 1
    assert "has run no Python code for 0.5 s" in child.stdout
    assert "switchback.inspect.on_signal(signal.SIGUSR1)" in child.stdout


@since_3_14
def test_a_timeline_is_written_of_a_process(tmp_path):
    path = tmp_path / "trace.json"
    with Hung("busy") as hung:
        child = inspect(hung.child.pid, "--timeline", path, "--seconds", 0.5, "--wait", 20)
    skip_unless_allowed(child)
    assert child.returncode == 0, child.stdout
    assert json.loads(path.read_bytes()) == []  # it makes no step


@since_3_14
def test_a_process_without_the_package_says_so():
    program = "print('ready', flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as other:
        try:
            other.stdout.readline()
            child = inspect(other.pid, "--wait", 20)
        finally:
            other.kill()
    skip_unless_allowed(child)
    assert child.stdout == "the process has not imported switchback\n"


@since_3_14
def test_a_process_that_is_not_there_is_told_of():
    child = inspect(2**22 + 1)
    assert child.returncode == 2
    assert "cannot look into process" in child.stdout
