"""Writes which portal runs and waits when, as a trace that Perfetto and Chrome show."""

from __future__ import annotations

import atexit
import io
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from . import _engine

#: How long what has happened may take to be in the file, in seconds.
INTERVAL = 0.2


@contextmanager
def timeline(file: str | os.PathLike[str] | IO[str] | IO[bytes]) -> Iterator[None]:
    """Write which portal runs and waits when, while the block runs, in all threads.

    `file` is a path, or a file that is open for writing. It gets JSON in the Trace Event format:
    open it in https://ui.perfetto.dev or chrome://tracing. Each thread is shown as a process, and
    each portal as a thread in it. A portal that begins after another one of the same function has
    ended takes its place. A stretch of time is named for the portal's function while that runs, and
    for what it awaits while it waits.

    The file is written five times a second, by a thread. It is valid JSON after each time, so that
    what a killed process leaves can be opened, unless `file` cannot seek. One timeline can be
    written at a time in a process; a second one is a RuntimeError. A child of `os.fork()` writes
    none.
    """
    writer = Writer(file)
    try:
        yield
    finally:
        writer.close()


class Writer:
    """The file, and the thread that writes it."""

    def __init__(self, file: Any) -> None:
        _engine.start_timeline()
        self._process = os.getpid()
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._closed = False
        self._is_empty = True
        self._is_own = isinstance(file, (str, os.PathLike))
        try:
            # Without a buffer, which a child of fork() would write as well.
            self._file: Any = open(file, "wb", buffering=0) if self._is_own else file  # noqa: SIM115
            self._is_text = isinstance(self._file, io.TextIOBase)
            self._seeks = self._file.seekable()
            self._write(b"[")
            self._end = 0
            if self._seeks:
                self._end = self._file.tell()
                self._write(b"\n]\n")
            self._thread = threading.Thread(
                target=self._run, name="switchback timeline", daemon=True
            )
            self._thread.start()
        except BaseException:
            _engine.stop_timeline()
            raise
        atexit.register(self.close)

    def close(self) -> None:
        """Write the rest. Raise what the thread has failed with."""
        atexit.unregister(self.close)
        if self._closed or os.getpid() != self._process:
            return
        self._closed = True
        self._ended.set()
        self._thread.join()
        try:
            taken = _engine.stop_timeline()
            if self._error is not None:
                raise self._error
            self._add(*taken)
            if not self._seeks:
                self._write(b"\n]\n")
        finally:
            if self._is_own:
                self._file.close()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            try:
                self._add(*_engine.take_timeline())
            except BaseException as error:
                self._error = error
                return

    def _add(self, events: bytes, threads: list[int]) -> None:
        if threads:
            names = {thread.native_id: thread.name for thread in threading.enumerate()}
            for number in threads:
                args = {"name": names.get(number, "thread")}
                event = {"ph": "M", "name": "process_name", "pid": number, "args": args}
                events += f",\n{json.dumps(event)}".encode()
        if not events:
            return
        if self._is_empty:
            self._is_empty = False
            events = events[1:]
        if not self._seeks:
            self._write(events)
        elif self._is_text:
            self._file.seek(self._end)
            self._write(events)
            self._end = self._file.tell()
            self._write(b"\n]\n")
        else:
            # At once, so that no process that is killed leaves a part of it.
            self._file.seek(self._end)
            self._write(events + b"\n]\n")
            self._end += len(events)

    def _write(self, data: bytes) -> None:
        if self._is_text:
            self._file.write(data.decode())
        else:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._file.flush()


def _forget() -> None:
    """In a child of fork(): note nothing, as nobody is there to write it."""
    with suppress(RuntimeError):
        _engine.stop_timeline()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
