"""What the engine has to know of code objects to tell tools of a suspension."""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from . import _engine

State = TypeVar("State")

_WAITS = (
    inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
    | inspect.CO_ITERABLE_COROUTINE
)
_RESUME = dis.opmap["RESUME"]
_YIELD_VALUE = dis.opmap["YIELD_VALUE"]
_CALLS = ("CALL", "CALL_KW", "CALL_FUNCTION_EX")
_JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
#: After these, control does not go on to the next instruction.
_ENDS = (
    "RETURN_VALUE",
    "RETURN_CONST",
    "RAISE_VARARGS",
    "RERAISE",
    "JUMP_FORWARD",
    "JUMP_BACKWARD",
    "JUMP_BACKWARD_NO_INTERRUPT",
    "INTERPRETER_EXIT",
)

#: A call: its instruction, in code units; its lowest slot on the value stack; whether it unpacks
#: its arguments; whether it has positional ones.
Call = tuple[int, int, bool, bool]


Facts = tuple[types.CodeType | None, int, list[Call], list[object]]


def facts_of(code: types.CodeType) -> Facts:
    """Return the stand-in of `code`, where that yields, the calls in `code`, and C functions."""
    stand_in, unit = stand_in_of(code)
    return stand_in, unit, calls_of(code), functions_named_in(code)


def functions_named_in(code: types.CodeType) -> list[object]:
    """Return the C functions and methods that `code` may call, going by the names in it."""
    methods = methods_of_types()
    found: list[object] = [_engine.await_]
    for name in code.co_names:
        found += methods.get(name, ())
        for module in list(sys.modules.values()):
            function = getattr(module, "__dict__", {}).get(name)
            if isinstance(function, types.BuiltinFunctionType):
                found.append(function)
    return list({id(function): function for function in found}.values())


@functools.cache
def methods_of_types() -> dict[str, list[object]]:
    """Return the methods of all types that are written in C, by their names."""
    methods: dict[str, list[object]] = {}
    # By identity: a metaclass may have its classes compared, or hashed, by code of its own.
    kinds: dict[int, type] = {}
    new: list[type] = [object]
    while new:
        kind = new.pop()
        if id(kind) not in kinds:
            kinds[id(kind)] = kind
            new += type.__subclasses__(kind)
    for kind in kinds.values():
        for name, method in type.__dict__["__dict__"].__get__(kind).items():
            if isinstance(method, types.MethodDescriptorType):
                methods.setdefault(name, []).append(method)
    return methods


def stand_in_of(code: types.CodeType) -> tuple[types.CodeType | None, int]:
    """Return code that waits where it has just begun, and the code unit where it does.

    Tools tell by the instructions of a frame whether it returns or waits, and by the flags of its
    code whether it may wait at all. Up to its first instruction the stand-in is as `code`, since
    that makes the frame's cells.
    """
    text = bytearray(code.co_code)
    after_begin = [
        here.offset
        for before, here in itertools.pairwise(dis.get_instructions(code))
        if before.opcode == _RESUME
    ]
    if not after_begin or after_begin[0] + 4 > len(text):
        return None, 0
    start = after_begin[0]
    # RESUME after a plain `yield`: after an `await`, what is awaited is looked for on the stack.
    text[start : start + 4] = bytes([_YIELD_VALUE, 1, _RESUME, 1])
    flags = code.co_flags if code.co_flags & _WAITS else code.co_flags | inspect.CO_COROUTINE
    return code.replace(co_code=bytes(text), co_flags=flags), start // 2


def calls_of(code: types.CodeType) -> list[Call]:
    """Return each call in `code` that can be reached, in their order."""
    calls: list[Call] = []
    depths = depths_of(code)
    for instruction in dis.get_instructions(code):
        depth = depths.get(instruction.offset)
        if depth is None or instruction.opname not in _CALLS:
            continue
        count = instruction.arg or 0
        unpacks = instruction.opname == "CALL_FUNCTION_EX"
        # It takes its slots, and puts the result in their place. In 3.11 PRECALL has counted the
        # arguments as taken.
        depth += effect(instruction.opcode, instruction.arg, jump=False) - 1
        calls.append((instruction.offset // 2, depth, unpacks, count > 0))
    return calls


def depths_of(code: types.CodeType) -> dict[int, int]:
    """Return how much the value stack holds before each instruction that can be reached."""
    # Up to 3.12 a generator drops what it is sent first, which no instruction has put there.
    counts_sent = sys.version_info < (3, 13) and code.co_flags & _WAITS

    def after(instruction: dis.Instruction, depth: int, jump: bool) -> int:
        if instruction.opname == "EXTENDED_ARG":
            return depth
        return depth + effect(instruction.opcode, instruction.arg, jump=jump)

    def handled(entry: Any, _: int) -> int:
        return int(entry.depth + entry.lasti + 1)

    return states_of(code, 1 if counts_sent else 0, after, handled)


def states_of(
    code: types.CodeType,
    first: State,
    after: Callable[[dis.Instruction, State, bool], State],
    handled: Callable[[Any, State], State],
) -> dict[int, State]:
    """Return what holds before each instruction that can be reached, where `first` does at first.

    ``after(instruction, state, jumps)`` is what holds after an instruction, and
    ``handled(entry, state)`` where what it raises is handled.
    """
    instructions = list(dis.get_instructions(code))
    index = {instruction.offset: at for at, instruction in enumerate(instructions)}
    entries = exception_entries(code)
    states: dict[int, State] = {}
    starts = [(0, first)]
    while starts:
        offset, state = starts.pop()
        for instruction in instructions[index.get(offset, len(instructions)) :]:
            if instruction.offset in states:
                break
            states[instruction.offset] = state
            for entry in itertools.islice(handlers(entries, instruction.offset), 1):
                starts.append((entry.target, handled(entry, state)))
            if instruction.opcode in _JUMPS:
                starts.append((instruction.argval, after(instruction, state, True)))
            if instruction.opname in _ENDS:
                break
            state = after(instruction, state, False)
    return states


def exception_entries(code: types.CodeType) -> list[Any]:
    """Return where exceptions of which instructions are handled, the outermost first."""
    return dis._parse_exception_table(code)  # type: ignore[attr-defined, no-any-return]


def handlers(entries: list[Any], at: int) -> Iterator[Any]:
    """Yield the entries by which an exception of an instruction is handled, the innermost first."""
    for _ in range(50):
        found = [entry for entry in entries if entry.start <= at < entry.end]
        if not found:
            return
        yield found[-1]
        at = found[-1].target


def effect(opcode: int, argument: int | None, *, jump: bool) -> int:
    """Return what an instruction adds to the value stack."""
    return dis.stack_effect(opcode, argument, jump=jump)


def instrument_running_code() -> None:
    """Have all code of running frames tell of the events that tools want now.

    The interpreter does so whenever the events of any tool change. So those of a tool that nobody
    uses do, to one that is not told of by code, and back.
    """
    monitoring = sys.monitoring
    for tool in range(5, -1, -1):
        if monitoring.get_tool(tool) is None:
            monitoring.use_tool_id(tool, "switchback")
            try:
                monitoring.set_events(tool, monitoring.events.RAISE)
                monitoring.set_events(tool, 0)
            finally:
                monitoring.free_tool_id(tool)
            return
