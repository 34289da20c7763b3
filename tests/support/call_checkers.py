"""Tools that pair each call with its return, and say where that does not come out even."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import BuiltinFunctionType, FrameType
from typing import Any

MethodDescriptor = type(str.join)


class Checker:
    """What is open: the calls that have not returned yet, the innermost last.

    What was called before the tool was switched on returns when nothing is open.
    """

    def __init__(self) -> None:
        self.open: list[object] = []
        self.faults: list[str] = []
        self.returns = 0

    def call(self, what: object) -> None:
        self.open.append(what)

    def end(self, what: object) -> None:
        self.returns += 1
        if self.open and (found := self.open.pop()) is not what:
            self.faults.append(f"{what} returns, {found} was called last")


class ProfileChecker(Checker):
    """By sys.setprofile()."""

    minor = (3, 11)

    def start(self) -> None:
        self.open.clear()
        sys.setprofile(self.event)

    @staticmethod
    def stop() -> None:
        sys.setprofile(None)

    def event(self, frame: FrameType, event: str, argument: Any) -> None:
        # A method of a type is bound anew for each event.
        function = getattr(argument, "__qualname__", argument) if event[:2] == "c_" else None
        if event == "call":
            self.call(frame)
        elif event == "return":
            self.end(frame)
        elif argument is not sys.setprofile:
            (self.call if event == "c_call" else self.end)(sys.intern(str(function)))


class TraceChecker(Checker):
    """By sys.settrace()."""

    minor = (3, 11)

    def start(self) -> None:
        self.open.clear()
        sys.settrace(self.event)

    @staticmethod
    def stop() -> None:
        sys.settrace(None)

    def event(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        if event == "call":
            self.call(frame)
        elif event == "return":
            self.end(frame)
        return self.event


class MonitoringChecker(Checker):
    """By sys.monitoring."""

    minor = (3, 12)
    TOOL = 4
    CALLS = ("PY_START", "PY_RESUME", "PY_THROW")
    RETURNS = ("PY_RETURN", "PY_YIELD", "PY_UNWIND")
    C_RETURNS = ("C_RETURN", "C_RAISE")

    def start(self) -> None:
        monitoring = sys.monitoring
        self.open.clear()
        monitoring.use_tool_id(self.TOOL, "checker")
        for names, callback in (
            (self.CALLS, lambda code, *_: self.call(code)),
            (self.RETURNS, lambda code, *_: self.end(code)),
            (("CALL",), lambda code, offset, function, _: self.c_event(self.call, function)),
            (self.C_RETURNS, lambda code, offset, function, _: self.c_event(self.end, function)),
        ):
            for name in names:
                monitoring.register_callback(self.TOOL, getattr(monitoring.events, name), callback)
        events = [*self.CALLS, *self.RETURNS, "CALL"]
        monitoring.set_events(self.TOOL, sum(getattr(monitoring.events, name) for name in events))

    def stop(self) -> None:
        monitoring = sys.monitoring
        if monitoring.get_tool(self.TOOL) is None:
            return
        monitoring.set_events(self.TOOL, 0)
        for name in (*self.CALLS, *self.RETURNS, "CALL", *self.C_RETURNS):
            monitoring.register_callback(self.TOOL, getattr(monitoring.events, name), None)
        monitoring.free_tool_id(self.TOOL)

    def c_event(self, note: Callable[[object], None], function: object) -> None:
        # Tools are told of the calls of Python functions as well, but not of their returns so.
        is_c_function = isinstance(function, (BuiltinFunctionType, MethodDescriptor))
        if is_c_function and getattr(function, "__self__", None) is not sys.monitoring:
            note(function)


CHECKERS = [ProfileChecker, TraceChecker, MonitoringChecker]
