"""Whether a cancellation was lost in code that passes no exceptions on, so that it comes once more.

A callback of ctypes or SQLite, `__del__`: an exception that leaves them is printed, or replaced. In
async code nothing of the kind can await, so that no event loop expects it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from ._frameworks import Task, current_task, has_cancellation, may_be_cancellation

if TYPE_CHECKING:
    from ._frameworks._abilities import FrameworkWithCancellation

# CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR.
_KINDS_OF_GENERATORS = 0x20 | 0x80 | 0x200


def _current() -> tuple[FrameworkWithCancellation, Task] | None:
    current = current_task()
    if current is None or not has_cancellation(current[0]):
        return None
    return current[0], current[1]


def is_requested(error: BaseException) -> bool:
    """Tell whether the running task is still to be cancelled, which `error` has told it."""
    # At once for any other: to look for the task may import what is known of its framework.
    current = _current() if may_be_cancellation(error) else None
    return current is not None and current[0].is_being_cancelled(current[1], error)


def request_again(error: BaseException) -> None:
    """Have the running task cancelled when it is suspended next, as `error` was lost."""
    current = _current()
    if current is not None:
        current[0].cancel_again(current[1], error)


def has_left(error: BaseException) -> bool | None:
    """Tell whether `error` has left all Python code that it came to, and none has handled it.

    None where that may still come: the frame that it came to last is running, or may be suspended.
    """
    traceback = error.__traceback__
    if traceback is None:
        return False  # somebody has taken it away
    last = traceback.tb_frame
    if not _is_left(last, traceback.tb_lasti):
        return False
    if last.f_code.co_flags & _KINDS_OF_GENERATORS:
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame is last:
            return None
        frame = frame.f_back
    return True


def is_part_of(error: BaseException, held: object) -> bool:
    """Tell whether `held` refers to `error`: a result that has it, an exception that came of it.

    Or whether `held` is what has left the frame that `error` came to last, which did not then.
    Where `error` is being handled here, by what runs the portal, it is the context of all that is
    raised in there, which says nothing then.
    """
    import gc

    is_handled = sys.exc_info()[1] is error
    last = error.__traceback__.tb_frame if error.__traceback__ is not None else None
    seen = {id(held)}
    waiting = [held]
    for _ in range(200):
        if not waiting:
            break
        one = waiting.pop(0)
        if one is error:
            return True
        if isinstance(one, BaseException):
            if any(frame is last for frame in _frames_of(one)):
                return True
            found: list[Any] = [one.__cause__, *getattr(one, "exceptions", ())]
            if not is_handled:
                found.append(one.__context__)
        elif isinstance(one, type | FrameType) or callable(one):
            continue
        else:
            found = gc.get_referents(one)
        waiting += [each for each in found if each is not None and id(each) not in seen]
        seen.update(map(id, found))
    return False


def _frames_of(error: BaseException) -> Iterator[FrameType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _is_left(frame: FrameType, raised_at: int) -> bool:
    """Tell whether what was raised at that instruction has left the frame, which runs no more.

    A frame that has handled an exception goes on from there. A `finally`, a `with` or an `except`
    raises it again: somewhere in the handlers that are in force there.
    """
    now = frame.f_lasti
    if now == raised_at:
        return True
    # Not with the package, whose import is to be quick.
    import dis

    from ._code_facts import exception_entries, handlers

    code = frame.f_code
    instructions = code.co_code
    if not 0 <= now < len(instructions) - 1:
        return False
    name, argument = dis.opname[instructions[now]], instructions[now + 1]
    # With an argument, it raises another one; or the same, which adds to the traceback.
    if name not in ("RERAISE", "CLEANUP_THROW", "END_ASYNC_FOR") and (
        name != "RAISE_VARARGS" or argument != 0
    ):
        return False
    handled = _handled(code)
    # The handler whose exception it raises again, which is another one if that lies further in.
    raises = now if name in ("CLEANUP_THROW", "END_ASYNC_FOR") else _innermost(handled, now)
    came_to = [entry.target for entry in handlers(exception_entries(code), raised_at)]
    if raises not in came_to:
        return False
    # One that may end an exception may have ended this one.
    ends = {_innermost(handled, at) for at in _ends_of_handling(code)}
    return ends.isdisjoint(came_to[: came_to.index(raises)])


def _handled(code: CodeType) -> dict[int, tuple[int, ...]]:
    """Return which handlers are under way at each instruction, the innermost last."""
    from ._code_facts import states_of

    def after(instruction: Any, here: tuple[int, ...], _: bool) -> tuple[int, ...]:
        if instruction.opname == "PUSH_EXC_INFO":
            return (*here, instruction.offset)
        return here[:-1] if instruction.opname == "POP_EXCEPT" else here

    return states_of(code, (), after, lambda _, here: here)


def _innermost(handled: dict[int, tuple[int, ...]], at: int) -> int | None:
    here = handled.get(at)
    return here[-1] if here else None


def _ends_of_handling(code: CodeType) -> Iterator[int]:
    """Yield the instructions after which an exception is done with, and not raised again."""
    import dis

    before = ""
    for instruction in dis.get_instructions(code):
        # After a copy it is to be raised.
        if instruction.opname == "POP_EXCEPT" and before != "COPY":
            yield instruction.offset
        before = instruction.opname
