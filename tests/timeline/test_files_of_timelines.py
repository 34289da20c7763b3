"""What a timeline's file has in it, however the block or the process ends."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.children import check_code, environment
from support.traces import trace, trace_tasks, tracks_of

from switchback import _timeline, await_, settings, with_portal_run_sync
from switchback.inspect import timeline


def work():
    for _ in range(3):
        await_(asyncio.sleep(0))


def test_what_a_block_raises_is_raised_and_the_file_is_whole(tmp_path):
    path = tmp_path / "trace.json"
    with pytest.raises(ZeroDivisionError), timeline(path):
        asyncio.run(with_portal_run_sync(work))
        raise ZeroDivisionError
    assert tracks_of(json.loads(path.read_bytes()))[1].name == "work"


def test_a_timeline_without_portals_is_valid():
    assert trace(lambda: None) == ({}, {})


def test_it_may_be_written_to_text_and_to_what_cannot_seek(tmp_path):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

    text, pipe = io.StringIO(), Pipe()
    for file in (text, pipe):
        with timeline(file):
            asyncio.run(with_portal_run_sync(work))
            time.sleep(2 * _timeline.INTERVAL)
            asyncio.run(with_portal_run_sync(work))
        assert len(tracks_of(json.loads(file.getvalue()))[1].stretches) == 14
    with open(tmp_path / "trace.json", "w") as file, timeline(file):
        asyncio.run(with_portal_run_sync(work))
    assert json.loads((tmp_path / "trace.json").read_text())


def test_one_at_a_time_is_written(tmp_path):
    with timeline(tmp_path / "one.json"):
        with (
            pytest.raises(RuntimeError, match="a timeline is being written already"),
            timeline(tmp_path / "two.json"),
        ):
            pass
        asyncio.run(with_portal_run_sync(work))
    assert json.loads((tmp_path / "one.json").read_bytes())


def test_a_file_that_cannot_be_opened_or_written_to_is_told_of(tmp_path):
    class Full(io.BytesIO):
        def write(self, data):
            if b"work" in bytes(data):
                raise OSError("full")
            return super().write(data)

    with pytest.raises(FileNotFoundError), timeline(tmp_path / "no" / "such"):
        pass
    with pytest.raises(OSError, match="full"), timeline(Full()):
        asyncio.run(with_portal_run_sync(work))
    assert trace_tasks(work)[0]


def test_a_child_of_fork_writes_nothing(tmp_path):
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    program = f"""
        import asyncio, os
        from switchback import await_, with_portal_run_sync
        from switchback.inspect import timeline

        def in_child():
            await_(asyncio.sleep(0))

        def in_parent():
            await_(asyncio.sleep(0))

        with timeline({str(tmp_path / "trace.json")!r}):
            child = os.fork()
            asyncio.run(with_portal_run_sync(in_parent if child else in_child))
            if child:
                os.waitpid(child, 0)
    """
    check_code(program, settings.backend)
    [track] = tracks_of(json.loads((tmp_path / "trace.json").read_bytes())).values()
    assert track.name == "in_parent"


@pytest.mark.in_child_process
def test_what_a_killed_process_leaves_is_valid_and_shows_what_hangs(tmp_path):
    path = tmp_path / "trace.json"
    program = f"""
import asyncio, time
from switchback import await_, with_portal_run_sync
from switchback.inspect import timeline

def waits():
    await_(asyncio.sleep(100))

def hangs():
    await_(asyncio.sleep(0))
    print("hangs", flush=True)
    time.sleep(100)

async def main():
    await asyncio.gather(with_portal_run_sync(waits), with_portal_run_sync(hangs))

with timeline({str(path)!r}):
    asyncio.run(main())
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env=environment(SWITCHBACK_BACKEND=settings.backend),
    )
    try:
        assert child.stdout.readline().strip() == b"hangs"
        time.sleep(5 * _timeline.INTERVAL)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    tracks = tracks_of(json.loads(path.read_bytes()))
    assert child.returncode == (-signal.SIGKILL if os.name == "posix" else 1)
    assert tracks[1].names() == ["waits", "await_(sleep)"]
    assert tracks[2].names() == ["hangs", "await_(sleep)", "hangs"]
    # They have not ended.
    assert tracks[1].stretches[-1][1] is None
    assert tracks[2].stretches[-1][1] is None
