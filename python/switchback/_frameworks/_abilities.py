"""What may be known of a framework beside what `Framework` asks for. For type checkers only."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from . import Framework

# What tells the innermost of several running tasks is looked for on a framework as well:
#   loop_module              the module whose frames its event loop leaves on the stack
#   loop_may_have_no_frames  true where a loop may be written in C


class FrameworkWithTrees(Framework, Protocol):
    """What a framework has besides if whole trees of its tasks can have portals."""

    def portals_for_children(self) -> AbstractContextManager[None]:
        """Give a portal to every task that the running one creates inside the context."""

    async def tree_checkpoint(self) -> None:
        """Yield to the event loop once, as a tree of portals begins or ends."""


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

    def find_framework(self) -> Framework | None:
        """Return the framework if the program has imported it."""
