"""What a suspended task waits in: its whole stack, of async and synchronous functions.

``switchback.inspect.print_stack(task)`` prints it as a traceback. ``print_all()`` prints those of
all portals, also on a signal (``on_signal(signal.SIGUSR1)``). ``timeline(file)`` writes which
portal runs and waits when, for Perfetto.
"""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Iterator
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import TYPE_CHECKING, Any, TextIO

from . import _engine
from ._calls import frames_of_portal
from ._frameworks import Task, framework_of
from ._signals import print_on_signal
from ._timeline import timeline

if TYPE_CHECKING:
    from ._debugger import set_trace

__all__ = ["extract_stack", "on_signal", "print_all", "print_stack", "set_trace", "timeline"]


def extract_stack(task: Task) -> traceback.StackSummary:
    """Return the stack of a suspended task, the outermost frame first.

    Below the frames of the task's async functions are those of the synchronous functions that have
    called `await_`, and below these the frames of what that awaits. `task` may be a coroutine
    instead, or what stands for one. Works in any thread. A task that runs shows its outermost frame
    only, and one that has ended shows none.
    """
    return _summary(task if _is_link(task) else framework_of(task)[0].get_coroutine(task))


def print_stack(task: Task, file: TextIO | None = None) -> None:
    """Print what `extract_stack` returns, to `sys.stderr` by default."""
    print("".join(extract_stack(task).format()), end="", file=file or sys.stderr)


def print_all(file: TextIO | None = None) -> None:
    """Print the stacks of all portals that are suspended in `await_`, in all threads."""
    file = file or sys.stderr
    count = 0
    for portal in gc.get_objects():
        if type(portal) is not _engine.Portal or _engine.innermost_frame(portal) is None:
            continue
        count += 1
        print(f"{portal!r} (the outermost call first):", file=file)
        print("".join(_summary(portal).format()), file=file)
    print(f"{count} portals are suspended in await_()", file=file)


def on_signal(signum: int, file: TextIO | None = None) -> None:
    """Have `print_all` called whenever the process gets a signal.

    A thread does it, also while the main thread hangs in C code. Where C code keeps the interpreter
    to itself, it comes afterwards. In a child of `os.fork()`, the main thread does it, between two
    instructions; so it does on Windows, where this is to be called in the main thread.
    """
    print_on_signal(signum, lambda: print_all(file))


def __getattr__(name: str) -> Any:
    # Not before it is used: pdb imports a lot.
    if name == "set_trace":
        from ._debugger import set_trace

        return set_trace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _is_link(link: object) -> bool:
    """Whether `link` is one of those that a chain of awaits is made of."""
    kinds = (CoroutineType, GeneratorType, AsyncGeneratorType)
    return isinstance(link, kinds) or _engine.is_portal(link)


def _summary(link: object) -> traceback.StackSummary:
    return traceback.StackSummary.extract((frame, frame.f_lineno) for frame in _frames(link))


def _frames(link: Any) -> Iterator[FrameType]:
    """Yield the frames from `link` on, as far as they are known."""
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if _engine.is_portal(link):
            yield from frames_of_portal(link)
            link = _engine.awaited(link) or link.cr_await
            continue
        for kind, frame, awaited in (
            (CoroutineType, "cr_frame", "cr_await"),
            (GeneratorType, "gi_frame", "gi_yieldfrom"),
            (AsyncGeneratorType, "ag_frame", "ag_await"),
        ):
            if isinstance(link, kind):
                if getattr(link, frame) is not None:
                    yield getattr(link, frame)
                link = getattr(link, awaited)
                break
        else:
            # An object with __await__, or one of the interpreter's, may refer to one of these.
            link = next((one for one in gc.get_referents(link) if _is_link(one)), None)
