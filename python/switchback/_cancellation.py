"""Whether a cancellation was lost in code that passes no exceptions on, and is to be raised again.

A callback of ctypes or SQLite, `__del__`: an exception that leaves them is printed, or replaced. In
async code nothing of the kind can await, so that no event loop expects it.
"""

from __future__ import annotations

import dis
import sys

# Where a frame stands that an exception has left by way of its `finally`, `with` or `except`.
_RAISE_AGAIN = frozenset(
    dis.opmap[name]
    for name in ("RERAISE", "RAISE_VARARGS", "CLEANUP_THROW", "END_ASYNC_FOR")
    if name in dis.opmap
)


def is_requested(error: BaseException) -> bool:
    """Tell whether the running task is still to be cancelled, which `error` has told it.

    On asyncio: by its count of requests, of which `Task.uncancel` takes one back, as
    `asyncio.timeout` does. On Trio: whether it is in a scope that is cancelled.
    """
    asyncio = sys.modules.get("asyncio")
    cancelled = getattr(asyncio, "CancelledError", None)
    if asyncio is not None and cancelled is not None and isinstance(error, cancelled):
        try:
            task = asyncio.current_task()
        except RuntimeError:
            return False
        cancelling = getattr(task, "cancelling", None)
        return cancelling is not None and cancelling() > 0
    trio = sys.modules.get("trio")
    cancelled = getattr(trio, "Cancelled", None)
    if trio is not None and cancelled is not None and isinstance(error, cancelled):
        try:
            deadline: float = trio.current_effective_deadline()
        except RuntimeError:
            return False
        return deadline == float("-inf")
    return False


def has_left(error: BaseException) -> bool | None:
    """Tell whether `error` has left all Python code that it came to, and none has handled it.

    None where that may still come: the frame that it came to last is running.
    """
    traceback = error.__traceback__
    if traceback is None:
        return True
    last = traceback.tb_frame
    # What has handled it has gone on from there.
    instruction = last.f_lasti
    if instruction != traceback.tb_lasti:
        code = last.f_code.co_code
        if not 0 <= instruction < len(code) or code[instruction] not in _RAISE_AGAIN:
            return False
    frame = sys._getframe(1) if hasattr(sys, "_getframe") else None
    while frame is not None:
        if frame is last:
            return None
        frame = frame.f_back
    return True
