"""What may be known of a framework beside what `Framework` asks for. For type checkers only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from . import Framework, Task

# What tells the innermost of several running tasks is looked for on a framework as well:
#   loop_module              the module whose frames its event loop leaves on the stack
#   loop_may_have_no_frames  true where a loop may be written in C


class FrameworkWithTrees(Framework, Protocol):
    """What a framework has besides if whole trees of its tasks can have portals."""

    def portals_for_children(self) -> AbstractContextManager[None]:
        """Give a portal to every task that the running one creates inside the context."""

    async def tree_checkpoint(self) -> None:
        """Yield to the event loop once, as a tree of portals begins or ends."""

    def name_after(
        self, task: Task, wrapper: Callable[..., Any], function: Callable[..., Any]
    ) -> None:
        """Have a task show the name of `function`, if it is the one that runs `wrapper` first."""


class FrameworkWithCallbacks(Framework, Protocol):
    """What a framework has besides if its loop runs functions outside of tasks."""

    def callback_here(self) -> str | None:
        """Describe the one that is running, where no task is."""


class FrameworkWithPrograms(Framework, Protocol):
    """What a framework has besides if all tasks of a loop can have portals."""

    def runs(self, loop: object | None) -> bool:
        """Return whether a loop may be one of its own; for None, whether one runs here."""

    def enable(self, loop: object | None) -> None:
        """Give a portal to each task of a loop, of the running one by default."""

    def disable(self, loop: object | None) -> None:
        """Give no more portals to tasks of that loop."""


class Event(Protocol):
    """What one task waits for, and another sets."""

    def set(self) -> None: ...
    def wait(self) -> Awaitable[object]: ...


class FrameworkWithEvents(Framework, Protocol):
    """What a framework has besides if a task can wait for a turn of its own."""

    def new_event(self) -> Event:
        """Return an event of the running loop, which is not set."""


class FrameworkWithCancellation(Framework, Protocol):
    """What a framework has besides if a cancellation that was lost can be delivered again."""

    def is_being_cancelled(self, task: Task, error: BaseException) -> bool:
        """Return whether the running task is still to be cancelled, which `error` has told it."""

    def cancel_again(self, task: Task, error: BaseException) -> None:
        """Have the running task cancelled as it is suspended next, by the request of `error`."""


class BuiltIn(Protocol):
    """What is known of a framework that need not be registered, and may not be imported yet."""

    #: How it is called in a sentence.
    TITLE: str
    #: Its index in the engine.
    INDEX: int
    #: How the main function of a program is run in a portal; "{}" is the name of this package.
    MAIN_IN_PORTAL: str
    #: What awaits, and what calls, in its event loop from another thread.
    AWAIT_FROM_THREAD: str
    CALL_FROM_THREAD: str
    #: What runs a function in a pool of threads, and what waits for a future of threads.
    RUN_IN_POOL: str
    WAIT_FOR_FUTURE: str

    def find_framework(self) -> Framework | None:
        """Return the framework if the program has imported it."""
