"""Prints on a signal, also while the main thread hangs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from . import _engine

_printers: dict[int, Callable[[], None]] = {}


def print_on_signal(number: int, print_it: Callable[[], None]) -> None:
    """Have a thread call `print_it` whenever the process gets the signal."""
    is_known = number in _printers
    if not is_known:
        reader, writer = os.pipe()
        # Should many signals come at once, some are left out, and none waits for the reader.
        os.set_blocking(writer, False)
        if not hasattr(signal, "pthread_kill") or not _engine.write_on_signal(number, writer):
            os.close(reader)
            os.close(writer)
            signal.signal(number, lambda *_: print_it())
            return
        name = f"switchback on signal {number}"
        threading.Thread(target=_wait, args=(number, reader), name=name, daemon=True).start()
    _printers[number] = print_it


def _wait(number: int, reader: int) -> None:
    while os.read(reader, 1):
        _printers[number]()


def _after_fork() -> None:
    """In a child: print in the main thread, as the other ones are gone and the pipe is shared."""
    for number, print_it in _printers.items():
        signal.signal(number, lambda *_, print_it=print_it: print_it())
    _printers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
