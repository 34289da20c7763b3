"""Runs the programs in processes of their own, within bounds of memory and time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent.parent / "programs"


class ChildFailure(Exception):
    """A child did not get to its end; the message says in a few words why."""


def command_of(program: str, *arguments: object) -> list[str]:
    return [sys.executable, str(PROGRAMS / f"{program}.py"), *map(str, arguments)]


def environment() -> dict[str, str]:
    # The programs import what lies beside them.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    # greenback imports greenlet, and Switchback would go over to greenlet with it.
    return kept | {"SWITCHBACK_BACKEND": "native"}


def memory_of(pid: int) -> int:
    """Bytes that a process has in memory, page tables included; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return sum(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmPTE") if name in fields)


def available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/meminfo does not say how much memory is available")


def run(
    command: Sequence[str], *, memory: float = float("inf"), seconds: float = float("inf")
) -> tuple[str, str]:
    """Run a command to its end and return what it wrote; raise `ChildFailure` if it fails."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                output, errors = process.communicate(timeout=0.05)
                break
            except subprocess.TimeoutExpired:
                if memory_of(process.pid) > memory:
                    raise ChildFailure(f"more than {memory / 1e9:.3g} GB") from None
                if time.monotonic() > deadline:
                    raise ChildFailure(f"more than {seconds:.0f} s") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        last = (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        raise ChildFailure(last)
    return output, errors


def ask(program: str, *arguments: object, **bounds: float) -> Any:
    """Run a program and return the JSON that it prints."""
    return json.loads(run(command_of(program, *arguments), **bounds)[0])


class Worker:
    """A program that answers one line of JSON with another, until its input ends."""

    def __init__(self, program: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            command_of(program, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, *request: object, seconds: float | None = None) -> Any:
        assert self._process.stdin is not None
        # Whether it has ended shows when the answer is read.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self.answer(seconds)

    def answer(self, seconds: float | None = None) -> Any:
        output = self._process.stdout
        assert output is not None
        # One line an answer: nothing is left in the buffer of `output` between two.
        if not select.select([output], [], [], seconds)[0]:
            self._process.kill()
            raise ChildFailure(f"no answer in {seconds:.0f} s")
        line = output.readline()
        if not line:
            raise ChildFailure(f"exit status {self._process.wait()}")
        return json.loads(line)

    def end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
