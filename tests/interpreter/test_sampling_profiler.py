"""A profiler in another process that remembers frames sees those of the portal that runs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.children import environment

pytestmark = [
    pytest.mark.in_child_process,
    pytest.mark.minor(since="3.15", reason="profilers remember frames from there on"),
    pytest.mark.needs_native(reason="greenlet hides the frames below a greenlet"),
]

CODE = """
import sys
from support.by_hand import trap
from switchback import _engine, await_

def block():
    print("blocked", flush=True)
    sys.stdin.readline()

def inner():
    block()
    await_(trap())
    block()

portal = _engine.open_call_portal(inner, ())

def resume_first():
    portal.send(None)

def resume_second():
    try:
        portal.send(None)
    except StopIteration:
        pass

resume_first()
resume_second()
"""


def names(unwinder):
    [interpreter] = unwinder.get_stack_trace()
    [thread] = interpreter.threads
    return [frame.funcname for frame in thread.frame_info]


def test_a_profiler_in_another_process_sees_the_portal_that_runs():
    debugging = pytest.importorskip("_remote_debugging")
    child = subprocess.Popen(
        [sys.executable, "-c", CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        seen = []
        unwinder = None
        for _ in range(2):
            assert child.stdout.readline() == "blocked\n"
            if unwinder is None:
                try:
                    unwinder = debugging.RemoteUnwinder(child.pid, cache_frames=True)
                except PermissionError:
                    pytest.skip("this system lets no process look into another")
            seen.append(names(unwinder))
            # What is remembered of the first sample is there at the second.
            assert names(unwinder) == seen[-1]
            child.stdin.write("\n")
            child.stdin.flush()
    finally:
        child.stdin.close()
        assert child.wait(timeout=30) == 0
        child.stdout.close()
    assert [name for name in seen[0] if name.startswith("resume")] == ["resume_first"]
    assert [name for name in seen[1] if name.startswith("resume")] == ["resume_second"]
