"""A pdb at whose prompt one can await: ``PYTHONBREAKPOINT=switchback.inspect.set_trace``."""

from __future__ import annotations

import ast
import inspect
import pdb
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import CodeType
from typing import Any

from . import _engine
from ._frameworks import current_task


class Debugger(pdb.Pdb):
    """As `pdb.Pdb`, but what is typed may await, while the other tasks go on."""

    #: Whether the other tasks stand still meanwhile, where the framework knows how.
    others_stand_still = False

    def default(self, line: str) -> None:
        """Execute a line, with `await` where it has one."""
        text = line.removeprefix("!").strip()
        with self._while_awaiting():
            code = _code_that_awaits(text, "single")
            if code is None:
                super().default(line)
                return
            hook, sys.displayhook = sys.displayhook, self.displayhook
            try:
                self._await(code)
            except BaseException as error:
                self.error(f"{type(error).__name__}: {error}")
            finally:
                sys.displayhook = hook

    def _getval(self, arg: str) -> object:
        """Return what `p` and its like are to print."""
        with self._while_awaiting():
            code = _code_that_awaits(arg, "eval")
            if code is None:
                return super()._getval(arg)
            try:
                return self._await(code)
            except BaseException as error:
                self.error(f"{type(error).__name__}: {error}")
                raise

    def _await(self, code: CodeType) -> Any:
        frame = self.curframe
        assert frame is not None
        variables = getattr(self, "curframe_locals", frame.f_locals)
        return _engine.await_(eval(code, frame.f_globals, variables))

    @contextmanager
    def _while_awaiting(self) -> Iterator[None]:
        """Have nothing stop in the other tasks, which otherwise are stepped through as well."""
        itself: Any = self
        is_newer = hasattr(itself, "stop_trace")  # from 3.14 on
        trace = sys.gettrace()
        if is_newer:
            itself.stop_trace()
        else:
            sys.settrace(None)
        try:
            with self._standing_still():
                yield
        finally:
            if is_newer:
                itself.start_trace()
            else:
                sys.settrace(trace)

    def _standing_still(self) -> AbstractContextManager[None]:
        current = current_task()
        if not self.others_stand_still or current is None:
            return nullcontext()
        found: Any = current[0]
        if not hasattr(found, "others_stand_still"):
            raise RuntimeError(f"the other tasks cannot stand still on {found.name}")
        others: AbstractContextManager[None] = found.others_stand_still()
        return others

    def do_others(self, arg: str) -> None:
        """others [go on | stand still]

        Tell what the other tasks do while something is awaited at the prompt.
        """
        if arg in ("go on", "stand still"):
            self.others_stand_still = arg == "stand still"
        elif arg:
            self.error("expected 'go on' or 'stand still'")
        self.message(f"the others {'stand still' if self.others_stand_still else 'go on'}")


def set_trace(*, header: str | None = None, others_stand_still: bool = False) -> None:
    """Enter pdb where this is called, as `breakpoint()` does.

    At its prompt, ``await x`` and ``await_(x)`` wait for `x` while the other tasks go on. With
    `others_stand_still`, or after the command ``others stand still``, they do not. They always
    stand still while the prompt waits for a command.

    ``PYTHONBREAKPOINT=switchback.inspect.set_trace`` in the environment has `breakpoint()` call it.
    """
    debugger = Debugger()
    debugger.others_stand_still = others_stand_still
    if header is not None:
        debugger.message(header)
    frame = sys._getframe(1)
    debugger.set_trace(frame)


def _code_that_awaits(text: str, mode: str) -> CodeType | None:
    """Return the code of what has an `await` in it that belongs to no function."""
    if "await" not in text and "async" not in text:
        return None
    try:
        code = compile(text, "<stdin>", mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return None  # to be told of by pdb
    return code if code.co_flags & inspect.CO_COROUTINE else None
