"""Looks into another process: ``python -m switchback inspect PID``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

#: What to do where a process cannot be looked into, or does not answer.
OTHERWISE = """\
Otherwise, have the program call this as it starts:
    switchback.inspect.on_signal(signal.SIGUSR1)
and then `kill -USR1 {pid}`. It prints its stacks to its own standard error."""

#: What the other process runs. It is a file there, and may run between any two instructions.
SCRIPT = """\
import os, sys
def _switchback_looks():
    try:
        if "switchback" in sys.modules:
            import switchback._remote
            switchback._remote.{call}
            return
        text = "the process has not imported switchback\\n"
    except BaseException:
        import traceback
        text = traceback.format_exc()
    with open({output!r} + ".part", "w") as file:
        file.write(text)
    os.replace({output!r} + ".part", {output!r})
_switchback_looks()
"""


def main(arguments: list[str]) -> int:
    """Have another process print the stacks of its portals and threads. Return an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m switchback inspect",
        description="Print what the portals of a process wait in, and what its threads run.",
    )
    parser.add_argument("pid", type=int, help="the process: a CPython of the same version, 3.14 on")
    parser.add_argument("--wait", type=float, default=5, help="for how many seconds (5)")
    parser.add_argument("--timeline", metavar="FILE", help="write a timeline of it instead")
    parser.add_argument("--seconds", type=float, default=2, help="how long a timeline is (2)")
    options = parser.parse_args(arguments)
    if not hasattr(sys, "remote_exec"):
        version = ".".join(map(str, sys.version_info[:2]))
        print(
            f"CPython {version} cannot look into another process: that takes 3.14 or later, here "
            f"and there.\n{OTHERWISE.format(pid=options.pid)}",
            file=sys.stderr,
        )
        return 2
    with tempfile.TemporaryDirectory(prefix="switchback-") as folder:
        return _ask(options, Path(folder))


def _ask(options: argparse.Namespace, folder: Path) -> int:
    output, script = folder / "output", folder / "script.py"
    wait = options.wait
    if options.timeline is None:
        call = f"report({str(output)!r})"
    else:
        file = os.path.abspath(options.timeline)
        call = f"record({str(output)!r}, {file!r}, {options.seconds!r})"
        wait += options.seconds
    script.write_text(SCRIPT.format(call=call, output=str(output)))
    _give_to_owner_of(options.pid, folder)
    try:
        sys.remote_exec(options.pid, script)  # type: ignore[attr-defined]
    except (OSError, RuntimeError) as error:
        print(
            f"cannot look into process {options.pid}: {error}\n{OTHERWISE.format(pid=options.pid)}",
            file=sys.stderr,
        )
        return 2
    _wake(options.pid)
    end = time.monotonic() + wait
    while not output.exists():
        if time.monotonic() > end or not _is_alive(options.pid):
            print(
                f"process {options.pid} has run no Python code for {options.wait:g} s: its main "
                "thread is in C code that does not return, or it has ended. What runs there is "
                f"shown by `py-spy dump --native --pid {options.pid}`, and by gdb.\n"
                f"{OTHERWISE.format(pid=options.pid)}",
                file=sys.stderr,
            )
            return 1
        time.sleep(0.01)
    print(output.read_text(), end="")
    return 0


def _give_to_owner_of(pid: int, folder: Path) -> None:
    """Let the process read the script and write its answer, where that is another user's."""
    try:
        owner = os.stat(f"/proc/{pid}")
    except OSError:
        return
    if owner.st_uid != os.getuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)


def _wake(pid: int) -> None:
    """Have an event loop that waits look around, as that is where the script is noticed."""
    if not sys.platform.startswith("linux"):
        return
    try:
        # It need not have a handler for any signal: epoll_wait() is interrupted by this alone.
        os.kill(pid, signal.SIGSTOP)
        os.kill(pid, signal.SIGCONT)
    except OSError:
        return


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# In the other process:


def report(output: str) -> None:
    """Write the stacks of all portals that wait, and of all threads."""
    from .inspect import print_all

    with _answer(output) as file:
        print_all(file)
        print_threads(file)


@contextmanager
def _answer(output: str) -> Iterator[TextIO]:
    """Open the file that is waited for: it is there once it is whole, as in the script."""
    with open(output + ".part", "w") as file:
        yield file
    os.replace(output + ".part", output)


def print_threads(file: TextIO) -> None:
    """Print what each thread runs, without what looks at it."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for identifier, frame in sys._current_frames().items():
        print(
            f"\nThread {names.get(identifier, identifier)} (the outermost call first):", file=file
        )
        frames = traceback.extract_stack(frame)
        names_of_functions = [summary.name for summary in frames]
        if "_switchback_looks" in names_of_functions:
            # That of the script, its module, and what it has called.
            del frames[names_of_functions.index("_switchback_looks") - 1 :]
        print("".join(traceback.format_list(frames)), end="", file=file)


def record(output: str, file: str, seconds: float) -> None:
    """Write a timeline of what runs from now on."""
    from ._timeline import Writer

    writer = Writer(file)

    def close() -> None:
        writer.close()
        with _answer(output) as told:
            print(f"{file} has {seconds:g} s", file=told)

    timer = threading.Timer(seconds, close)
    timer.daemon = True
    timer.start()
