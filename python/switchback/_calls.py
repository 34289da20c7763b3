"""The synchronous calls of a suspended portal, as links in a chain of coroutines."""

from __future__ import annotations

from types import CodeType, FrameType
from typing import Any

from . import _engine


class Call:
    """A synchronous call that waits: what looks along ``cr_await`` finds its frame."""

    __slots__ = ("cr_await", "cr_frame")

    cr_running = False
    cr_suspended = True
    cr_origin = None

    def __init__(self, cr_frame: FrameType, cr_await: object) -> None:
        self.cr_frame = cr_frame
        self.cr_await = cr_await

    @property
    def cr_code(self) -> CodeType:
        return self.cr_frame.f_code

    def __getattr__(self, name: str) -> str:
        # As a property in the class, this would be the name of the class.
        if name == "__name__":
            return self.cr_code.co_name
        if name == "__qualname__":
            return self.cr_code.co_qualname
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<call of {self.cr_code.co_qualname} that waits in await_()>"


def link_calls(portal: Any, awaited: object) -> object:
    """Return what ``portal.cr_await`` is: the calls below its first frame, and `awaited`."""
    link = awaited
    for frame in frames_of_portal(portal)[:0:-1]:
        link = Call(frame, link)
    return link


def frames_of_portal(portal: Any) -> list[FrameType]:
    """Return the frames of a portal's own stack, the outermost first."""
    frame = _engine.innermost_frame(portal)
    if frame is None:
        frame = None if portal.cr_running else portal.cr_frame
        return [] if frame is None else [frame]
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]
