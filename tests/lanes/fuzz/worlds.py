"""Runs a program natively and through portals, and compares the traces that the two leave."""

from __future__ import annotations

import contextlib
import contextvars
import difflib
import functools
import gc
import itertools
import os
import random
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from cases import Case
from descriptions import describe, in_generator
from stepping import await_by
from vocabulary import (
    ERRORS,
    NAMES,
    TRAPS,
    V0,
    V1,
    Nothing,
    OutOfFuel,
    Reading,
    function_of_order,
)

import switchback
from switchback import _engine

#: 3.11 drops the frames below a coroutine that is thrown into while it handles an exception.
KEEPS_TRACEBACKS = sys.version_info >= (3, 12)

#: How often garbage is collected in the midst of a program, where anything happens that both runs
#: have in common: once in so many times; never with 0.
COLLECT_EACH = int(os.environ.get("SWITCHBACK_FUZZ_COLLECT") or 0)

#: More calls than this end a program.
FUEL = 150


class World:
    """One run of a case: `h` in the text of programs."""

    def __init__(self, way: int, nested: bool) -> None:
        self.way = way
        self.nested = nested
        self.events: list[Any] = []
        self.dropping = self.throwing = self.closing = 0
        # What is thrown into nested coroutines passes the exceptions that the outer ones handle by:
        # natively they are out of sight in the inner ones, and replace what those have noted as
        # the context. To synchronous frames they are what they are for any call.
        self.thrown = False
        # What happens where locals go after something was thrown or closed. They go with what holds
        # them: the contexts that natively are replaced, or the GeneratorExit that all frames of a
        # portal share. So when that is, is not compared.
        self.gone: list[Any] = []
        self.fuel = FUEL
        self.number = 0  # of the latest call by a library
        self.slots: list[Any] = [None] * 3
        self.stepped: set[int] = set()
        self.begun: set[int] = set()
        self.chooser = random.Random(1)

    def may_collect(self) -> None:
        if COLLECT_EACH and self.chooser.randrange(COLLECT_EACH) == 0:
            gc.collect()

    def note(self, *what: Any) -> None:
        if self.thrown and in_generator(sys._getframe(1)):
            self.gone.append(what)
        else:
            self.events.append(what)

    @contextlib.contextmanager
    def drops(self, really: bool = True) -> Iterator[None]:
        """Nothing suspends meanwhile; from now on, when locals go is not compared."""
        self.dropping += really
        self.thrown |= really
        try:
            yield
        finally:
            self.dropping -= really

    @contextlib.contextmanager
    def throws(self) -> Iterator[None]:
        """Something is thrown into a generator meanwhile, which may end of that."""
        self.throwing += 1
        self.thrown = True
        try:
            yield
        except (StopIteration, StopAsyncIteration):
            self.note("ended")
        finally:
            self.throwing -= 1

    @contextlib.contextmanager
    def closes(self) -> Iterator[None]:
        """A generator is closed meanwhile: a synchronous one keeps a GeneratorExit to itself."""
        dropping = self.dropping
        self.closing += 1
        try:
            yield
        finally:
            self.closing -= 1
        # What is dropped meanwhile ends here as well natively, as it awaits aclose().
        if self.dropping > dropping:
            raise GeneratorExit

    def deleted(self, value: int) -> None:
        if self.thrown:
            self.gone.append(("deleted", value))
        else:
            self.note("deleted", value)

    def enter(self, name: str) -> None:
        self.note("enter", name)
        self.may_collect()
        self.fuel -= 1
        if self.fuel < 0:
            raise OutOfFuel

    def error(self, kind: int, value: int) -> BaseException:
        return ERRORS[kind % len(ERRORS)](value)

    def trap(self, kind: int, value: int) -> Any:
        self.may_collect()
        return TRAPS[kind % len(TRAPS)](self, value)

    # What programs look at.

    def handled(self) -> Any:
        # Natively a step that throws does not show what the outer coroutines are handling.
        return None if self.throwing or self.dropping else self.describe(sys.exc_info()[1])

    def describe(self, error: BaseException | None) -> Any:
        return describe(
            error,
            contexts=not (self.thrown and self.nested),
            frames=not self.thrown or KEEPS_TRACEBACKS,
        )

    def look(self, name: str) -> None:
        """Notes the exception being handled, the context variables, and the callers."""
        frame: types.FrameType | None = sys._getframe(1)
        names: list[str] = []
        # Natively, what is thrown or closed does not always pass through the frames on the way.
        while frame is not None and not self.throwing and not self.dropping:
            if frame.f_code.co_filename in ("<program>", "<prelude>"):
                names.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            frame = frame.f_back
        self.note("look", name, self.handled(), V0.get(), V1.get(), " ".join(names))

    def caught(self, name: str, error: BaseException) -> None:
        self.note("caught", name, self.describe(error))

    # Calls from C in a portal, and loops that do the same natively.

    def each_in_portal(self, by: int, function: Callable[..., Any]) -> Any:
        values = [2, 1]
        match by % 5:
            case 0:
                return list(map(function, values))
            case 1:
                sorted(values, key=function_of_order(function))
            case 2:
                functools.reduce(lambda _, value: function(value), values, None)
            case 3:
                return Reading(function, 2).value
            case 4:
                return sum(function(value) or 0 for value in values[:0]) + len(
                    list(itertools.starmap(function, [(2,), (1,)]))
                )
        return None

    async def each_natively(self, by: int, function: Callable[..., Any]) -> Any:
        if by % 5 == 3:
            return await function(2)
        results = [await function(2), await function(1)]
        return {0: results, 4: 2}.get(by % 5)

    @functools.cached_property
    def greenlets(self) -> types.ModuleType:
        """What programs use in a process that has imported greenlet."""
        import greenlets

        return greenlets

    @functools.cached_property
    def libraries(self) -> types.ModuleType:
        """What programs use that call libraries which keep the call under way."""
        import libraries

        return libraries

    def next_number(self) -> int:
        self.number += 1
        return self.number

    # Private contexts.

    def run_natively(self, function: Callable[..., Any]) -> Any:
        return await_by(contextvars.copy_context().run, function())

    # Coroutines that programs step by hand; in a portal each has a portal of its own.

    def coroutine(self, function: Callable[..., Any]) -> Any:
        return function()

    def portal(self, function: Callable[..., Any]) -> Any:
        if function.__code__.co_flags & 0x80:
            return _engine.open_portal(function())
        return _engine.open_call_portal(function, ())

    def keep(self, slot: int, coroutine: Any) -> None:
        self.drop(slot)
        self.slots[slot] = coroutine
        self.stepped.discard(slot)
        self.begun.discard(slot)

    def drop(self, slot: int) -> None:
        with self.drops():
            self.slots[slot] = None
        self.note("dropped", slot)

    def take(self, slot: int) -> Any:
        """What is kept in the slot, to be awaited; it stays there."""
        if self.slots[slot] is None or slot in self.stepped:
            return Nothing()
        self.stepped.add(slot)
        return self.slots[slot]

    def by_hand(self, slot: int, action: str, argument: int) -> None:
        if self.slots[slot] is not None:
            if slot not in self.begun and action == "throw":
                action, argument = "send", 0  # the traceback of a coroutine shows where it starts
            self.stepped.add(slot)
            if action != "send" or not argument:  # a new one refuses any value but None
                self.begun.add(slot)
            kept = [self.slots[slot]]
            self.note("by hand", slot, action, self.step(kept[0], action, argument))
            if self.slots[slot] is not kept[0]:  # it has dropped itself
                with self.drops():
                    kept.clear()
            kept.clear()

    # The driver.

    def step(self, coroutine: Any, action: str, argument: int) -> Any:
        """One step of a coroutine; returns what came of it, for the trace."""
        # A coroutine that awaits while it is being closed gets an error natively in each of its
        # frames. Synchronous frames cannot be closed one by one, so only the outermost gets it.
        self.may_collect()
        closes = action == "close" or (
            action == "throw" and ERRORS[argument % len(ERRORS)] is GeneratorExit
        )
        if closes and self.closing:
            action, argument, closes = "throw", 0, False
        with self.drops(closes):
            self.throwing += action != "send"
            self.thrown |= action != "send"
            try:
                match action:
                    case "send":
                        return "trap", coroutine.send(argument or None)
                    case "throw":
                        return "trap", coroutine.throw(self.error(argument, argument))
                    case _:
                        return "closed", coroutine.close()
            except StopIteration as stop:
                return "returned", stop.value
            except BaseException as error:
                return "raised", self.describe(error)
            finally:
                self.throwing -= action != "send"
                del coroutine  # tracebacks may hold this frame

    def root(self, function: Callable[..., Any], kind: int) -> Any:
        if self.way == 0:
            return function() if kind == 0 else self.await_natively(function)
        is_async = bool(function.__code__.co_flags & 0x80)
        if kind == 0:
            return self.portal(function)
        if is_async:
            return switchback.with_portal_run(function)
        return switchback.with_portal_run_sync(function)

    async def await_natively(self, function: Callable[..., Any]) -> Any:
        return await function()

    def drive(self, case: Case, names: dict[str, Any]) -> None:
        programs: list[Any] = [self.root(names[name], kind) for name, kind, _ in case.roots]
        shared = contextvars.copy_context()
        contexts = [
            [shared, contextvars.copy_context(), None][choice] for _, _, choice in case.roots
        ]
        other = contextvars.copy_context()
        other.run(V0.set, 77)
        fresh = set(range(len(programs)))

        def step(index: int, action: str, argument: int, choice: int = 0) -> None:
            program, context = programs[index], [contexts[index], shared, other, None][choice]
            if action == "drop":
                with self.drops():
                    programs[index] = None
                    if context is None:
                        del program
                    else:
                        holder = [program]
                        del program
                        context.run(holder.clear)
                self.note("program dropped", index)
                return
            if index in fresh:
                fresh.discard(index)
                if action != "close":
                    action, argument = "send", 0
            if context is None:
                outcome = self.step(program, action, argument)
            else:
                outcome = context.run(self.step, program, action, argument)
            del program  # tracebacks may hold this frame
            seen = (context[V0] if context and V0 in context else None, V0.get(), self.handled())
            self.note("program", index, action, outcome, seen)
            if outcome[0] != "trap":
                programs[index] = None

        for index, action, argument, choice in case.steps:
            if programs[index] is not None:
                step(index, action, argument, choice)
        for index in range(len(programs)):
            for _ in range(12):
                if programs[index] is None:
                    break
                step(index, "send", index + 1)
        for index in range(len(programs)):
            if programs[index] is not None:
                step(index, "drop", 0)
        for slot in range(len(self.slots)):
            self.drop(slot)


def run(case: Case, way: int) -> list[Any]:
    """The trace of a case: natively where `way` is 0, else in portals."""
    world = World(way, nested=case.nested)
    names = NAMES | {"h": world}
    exec(compile(case.source(way), "<program>", "exec"), names)

    def unraisable(args: Any) -> None:
        world.note("unraisable", repr(args.exc_value))

    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    gc.disable()
    gc.freeze()  # what is older is nothing to look through in each collection
    try:
        contextvars.Context().run(world.drive, case, names)
        ended = len(world.events)
        with world.drops():
            gc.collect()
        names.clear()
        gc.collect()
        world.events += [("gone", *what) for what in world.gone]
        # In which order a cycle goes is the collector's affair.
        world.events[ended:] = sorted(world.events[ended:], key=repr)
    finally:
        sys.unraisablehook = hook
    # What goes together goes in some order: frames and generators let go of things in their own.
    trace: list[Any] = []
    refusals = [event for event in world.events if event[0] == "unraisable"]
    rest = (event for event in world.events if event[0] != "unraisable")
    for _, group in itertools.groupby(rest, key=lambda event: event[0] == "deleted"):
        events = list(group)
        trace += sorted(events) if events[0][0] == "deleted" else events
    # A generator that refuses to be closed does so when the frame that holds it is let go of. Where
    # close() unwinds frames, that is when each coroutine is closed; or, for sync functions, when
    # the exception has passed them all.
    return trace + sorted(refusals, key=repr)


def difference(case: Case) -> str | None:
    """How the traces of a case differ, or None if they do not."""
    native, portal = (list(map(repr, run(case, way))) for way in (0, 1))
    if native == portal:
        return None
    return "\n".join(difflib.unified_diff(native, portal, "native", "in portals", "", "", 4, ""))
