"""What a program can see of an exception, and where it is."""

from __future__ import annotations

import types
from typing import Any


def describe(
    error: BaseException | None, contexts: bool, frames: bool, known: tuple[int, ...] = ()
) -> Any:
    """All that a program can see of an exception."""
    if error is None:
        return None
    if id(error) in known:
        return "cycle"
    if len(known) > 6:
        return "..."
    if isinstance(error, GeneratorExit):
        # Closing a coroutine natively raises one in each of its frames, innermost first; all
        # synchronous frames of a portal share one.
        return "GeneratorExit"
    known = (*known, id(error))
    names = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename in ("<program>", "<prelude>") and frames:
            names.append(f"{code.co_name}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return (
        # A generator that awaits is an async generator natively.
        type(error).__name__.replace("StopAsyncIteration", "StopIteration"),
        repr(error.args).replace("async generator", "generator"),
        " ".join(names),
        ("cause", describe(error.__cause__, contexts, frames, known)) if error.__cause__ else None,
        ("context", describe(error.__context__, contexts, frames, known))
        if contexts and error.__context__
        else None,
        error.__suppress_context__,
    )


def in_generator(frame: types.FrameType | None) -> bool:
    """Whether this is in one of the generators that may be dropped by those who use them."""
    while frame is not None:
        code = frame.f_code
        if code.co_filename == "<program>" and code.co_name[0] != "p":
            return code.co_name[0] in "ga"
        frame = frame.f_back
    return False
