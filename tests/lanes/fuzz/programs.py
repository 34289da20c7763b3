"""Hypothesis strategies for random programs; `worlds` says how they are run.

Functions come in kinds, told by the first letter of their name:

s  a synchronous function, which awaits with await_(); natively it is async
y  a generator that awaits with await_(); natively it is an async generator
m  a context manager made of such a generator
c  a coroutine function, which calls the others
p  a coroutine function that calls none of the above
a  an async generator that calls none of the above but `p`
g  a generator that awaits nothing

What may be dropped halfway by a program, other than through a portal of its own, calls no
synchronous function: what awaits natively while it is being dropped is an error, but await_() in
its place works.
"""

from __future__ import annotations

import os
import sys

from cases import Case
from hypothesis import strategies as st

ERROR_NAMES = ["E1", "E2", "KeyError", "CancelledError", "Base", "GeneratorExit", "RuntimeError"]
CAUGHT = ["E1", "E2", "Exception", "BaseException", "CancelledError", "(Base, GeneratorExit)"]

# Up to 3.12, closing a step of an async generator does not close the generator, so what awaits in a
# generator has no native equivalent that can be closed.
# What such a step leaves suspended goes with the traceback, which is a little longer in a portal.
OVER_IN_SYNC = "ayyg" if sys.version_info >= (3, 13) else "yg"
KINDS = "sscsscpyagm" if sys.version_info >= (3, 13) else "sscsscpag"

# On 3.11 a generator goes earlier natively, where what holds it is closed: docs/caveats.md has the
# order of an unwinding. What it sets as it goes is seen by those who are closed next.
SETS_IN_GENERATORS = sys.version_info >= (3, 12)

#: Whether programs start greenlets as well.
WITH_GREENLETS = os.environ.get("SWITCHBACK_TEST_BESIDE") == "greenlet"

#: Whether they call libraries that keep the call under way in thread-locals.
WITH_LIBRARIES = bool(os.environ.get("SWITCHBACK_FUZZ_LIBRARIES"))

_choices = [st.integers(0, max(n - 1, 0)) for n in range(64)]


class Writer:
    def __init__(self, draw) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.kinds: list[str] = []
        self.line_budget = 0

    def below(self, n: int) -> int:
        return self.draw(_choices[n])

    def pick(self, options):
        return options[self.draw(_choices[len(options)])]

    def emit(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def program(self) -> Case:
        # Alone, a function sees all of what is thrown into it.
        count = 1 if self.below(5) == 0 else 2 + self.below(6)
        self.kinds = [self.pick(KINDS) for _ in range(count)]
        self.kinds[0] = self.pick("sssc")
        for index in range(count):
            self.function(index)
        mains = [f"{k}{i}" for i, k in enumerate(self.kinds) if k in "sc"]
        roots = []
        for number in range(1 + self.below(4)):
            name = mains[0] if number == 0 else self.pick(mains)
            roots.append((name, self.below(2), self.below(3)))
        steps = []
        for _ in range(self.below(16)):
            action = self.pick(["send"] * 9 + ["throw"] * 6 + ["close", "close", "drop"])
            context = self.pick([0, 0, 0, 0, 1, 2, 2, 3])
            steps.append((self.below(len(roots)), action, self.below(8), context))
        return Case("\n".join(self.lines) + "\n", roots, steps)

    def callees(self, index: int, kinds: str) -> list[str]:
        """The functions that function `index` may call: later ones only, so all ends."""
        return [f"{k}{i}" for i, k in enumerate(self.kinds) if i > index and k in kinds]

    def function(self, index: int) -> None:
        kind = self.kinds[index]
        name = f"{kind}{index}"
        define = {"g": "def", "s": "@DEF", "y": "@DEF", "m": "@DEF"}.get(kind, "async def")
        if kind == "m":
            self.emit(0, "@" + "@MANAGER")
        self.emit(0, f"{define} {name}(x=0):")
        self.emit(1, f"h.enter({name!r})")
        if self.below(4) == 0:
            self.emit(1, f"local = Deleted(h, {index})")
        if kind in "yag" and self.below(4) == 0:
            self.emit(1, "yield -1")
        self.line_budget = 14
        if kind == "m":
            self.manager(name, index)
        else:
            self.block(1, name, kind, index, frozenset())
            if kind in "yag":
                self.emit(1, f"yield {self.below(5)}")
            else:
                self.emit(1, f"return {self.pick(['x', '7', 'h.error(0, 5)'])}")
        self.emit(0, "")

    def manager(self, name: str, index: int) -> None:
        self.block(1, name, "m", index, frozenset({"flat"}))
        self.emit(1, "try:")
        self.emit(2, "yield x")
        if self.below(2):
            self.emit(1, f"except {self.pick(CAUGHT[:2])} as e:")
            self.emit(2, f"h.caught({name!r}, e)")
            self.block(2, name, "m", index, frozenset({"flat"}))
        if self.below(2) or not self.lines[-1].startswith("        "):
            self.emit(1, "finally:")
            self.emit(2, f"h.look({name!r})")
            self.block(2, name, "m", index, frozenset({"flat"}))
        else:
            self.emit(1, "finally:")
            self.emit(2, f"h.note({name!r}, 'finally')")

    def block(self, depth, name, kind, index, inside) -> None:
        for _ in range(1 + self.below(3)):
            self.statement(depth, name, kind, index, inside)

    def awaited(self, kind: str, what: str) -> str:
        return f"@AWAIT({what})" if kind in "sym" else f"await ({what})"

    def statement(self, depth, name, kind, index, inside) -> None:
        self.line_budget -= 1
        choices = ["trap", "look", "call", "set", "note"]
        if self.line_budget > 0:
            choices += ["trap", "trap", "call", "call", "raise", "hand", "inner"]
            if depth < 4 and "flat" not in inside:
                choices += ["try", "try", "try", "with", "loop", "generator", "if"]
        if kind in "yag" and not inside & {"finally", "flat", "except"}:
            choices += ["yield", "yield"]
        getattr(self, "do_" + self.pick(choices))(depth, name, kind, index, inside)

    # Simple statements.

    def do_trap(self, depth, name, kind, index, inside) -> None:
        if kind == "g":
            return self.do_note(depth, name, kind, index, inside)
        # What cannot be thrown into leaves more to the one who awaits.
        trap = f"h.trap({self.pick([0, 1, 2, 3, 2] if 'except' in inside else [0, 1, 2, 3])}, "
        trap += f"{self.below(50)})"
        self.emit(depth, f"x = {self.awaited(kind, trap)}")
        return None

    def do_look(self, depth, name, kind, index, inside) -> None:
        self.emit(depth, f"h.look({name!r})")

    def do_note(self, depth, name, kind, index, inside) -> None:
        self.emit(depth, self.pick([f"h.note({name!r}, x)", "gc.collect()", "e = None", "x = 3"]))

    def do_set(self, depth, name, kind, index, inside) -> None:
        if kind == "g" and not SETS_IN_GENERATORS:
            return self.do_look(depth, name, kind, index, inside)
        variable = f"V{self.below(2)}"
        self.emit(depth, f"{variable}.set({1 + self.below(40)})")
        return None

    def do_raise(self, depth, name, kind, index, inside) -> None:
        error = f"{self.pick(ERROR_NAMES)}({self.below(9)})"
        if kind == "p" and self.below(8) == 0:
            error = "StopIteration(3)"
        forms = [f"raise {error}", f"raise {error} from None", f"raise {error} from KeyError(0)"]
        if "except" in inside:
            forms += ["raise", f"raise {error} from e"]
        if "loop" in inside:
            forms += ["break", "continue"] if "finally" not in inside else []
        if kind not in "ymga" or "finally" not in inside:
            forms += ["return" if kind in "yagm" else "return x"]
        # A synchronous function that swallows GeneratorExit while it is closed lets its caller go
        # on; natively, its caller is closed as well.
        closable = kind in "sycm"
        self.emit(depth, "if not h.dropping:" if closable else "if True:")
        self.emit(depth + 1, self.pick(forms))

    def do_yield(self, depth, name, kind, index, inside) -> None:
        yielded = f"yield {self.below(50)}"
        self.emit(depth, f"h.note({name!r}, 'yielded', ({yielded}))")

    # Calls.

    def do_call(self, depth, name, kind, index, inside) -> None:
        calls = {"p": "p", "a": "p", "g": ""}.get(kind, "sspcy")
        callees = self.callees(index, calls.replace("y", ""))
        if not callees:
            return self.do_trap(depth, name, kind, index, inside)
        callee = self.pick(callees)
        value = self.below(4)
        if callee[0] in "pc":
            awaitable = f"{callee}({value})"
            if kind not in "pa" and self.below(4) == 0:
                awaitable = f"@COROUTINE({callee})"
            call = self.awaited(kind, awaitable)
        else:
            calls = [
                f"@CALL({callee}({value}))",
                f"@CALL({callee}({value}))",
                f"@EACH({self.below(5)}, {callee})",
                f"@RUN({callee})",
                self.awaited(kind, f"@COROUTINE({callee})"),
            ]
            if WITH_LIBRARIES:
                calls += [f"@LIBRARY({self.below(10)}, {callee})"] * 6
            if WITH_GREENLETS:
                calls += [f"@GREENLET({callee})"] * 3
            call = self.pick(calls)
        self.emit(depth, f"x = {call}")
        self.emit(depth, f"h.note({name!r}, 'called', repr(x))")
        if call.startswith(("@RUN", "@GREENLET")):
            self.emit(depth, f"h.look({name!r})")
        return None

    def do_hand(self, depth, name, kind, index, inside) -> None:
        """Makes, steps or drops a coroutine by hand."""
        callees = self.callees(index, "sc")
        slot = self.below(3)
        if kind in "pag" or not callees:
            return self.do_look(depth, name, kind, index, inside)
        self.emit(depth, f"h.keep({slot}, @COROUTINE({self.pick(callees)}))")
        if self.below(3):
            self.emit(depth, f"h.by_hand({slot}, 'send', 0)")
        return None

    def do_inner(self, depth, name, kind, index, inside) -> None:
        slot = self.below(3)
        if kind in "pag":
            return self.do_trap(depth, name, kind, index, inside)
        action = self.pick(["send", "send", "throw", "close"])
        lines = [
            f"h.by_hand({slot}, {action!r}, {self.below(8)})",
            f"h.by_hand({slot}, {action!r}, {self.below(8)})",
            f"h.drop({slot})",
            f"x = {self.awaited(kind, f'h.take({slot})')}",
        ]
        self.emit(depth, self.pick(lines))
        return None

    # Compound statements.

    def do_if(self, depth, name, kind, index, inside) -> None:
        self.emit(depth, f"if x == {self.below(4)}:")
        self.block(depth + 1, name, kind, index, inside)
        self.emit(depth, "else:")
        self.block(depth + 1, name, kind, index, inside)

    def do_try(self, depth, name, kind, index, inside) -> None:
        shape = 1 + self.below(7)
        self.emit(depth, "try:")
        # What is left suspended in a `finally` would be dropped there.
        plain = inside - {"except"}
        self.block(depth + 1, name, kind, index, inside)
        if shape & 1 or shape == 4:
            self.emit(depth, f"except {self.pick(CAUGHT)} as e:")
            self.emit(depth + 1, f"h.caught({name!r}, e)")
            if kind in "sycm":
                self.emit(
                    depth + 1, "if h.dropping or isinstance(e, GeneratorExit) and e.args == ():"
                )
                self.emit(depth + 2, "raise")
            self.block(depth + 1, name, kind, index, plain | {"except"})
            if shape & 4:
                self.emit(depth, "else:")
                self.block(depth + 1, name, kind, index, inside)
        if shape & 2:
            self.emit(depth, "finally:")
            self.emit(depth + 1, f"h.look({name!r})")
            self.block(depth + 1, name, kind, index, plain | {"finally"})

    def do_with(self, depth, name, kind, index, inside) -> None:
        manager = f"Manager(h, {self.below(9)}, {self.below(4)}, {bool(self.below(2))})"
        managers = self.callees(index, "m")
        if kind in "sycm" and managers and self.below(2):
            line = f"@ENTER({self.pick(managers)}({self.below(3)})) as x:"
        elif kind == "g" or self.below(3) == 0:
            line = f"with {manager} as x:"
        elif kind in "sym":
            line = f"@WITH({manager}) as x:"
        else:
            line = f"async with {manager} as x:"
        self.emit(depth, line)
        self.block(depth + 1, name, kind, index, inside)

    def do_loop(self, depth, name, kind, index, inside) -> None:
        """Over an async generator, a generator that awaits, or a few numbers."""
        kinds = {"g": "g", "p": "ag", "a": "ag", "c": "ayyg"}.get(kind, OVER_IN_SYNC)
        callees = self.callees(index, kinds)
        inside = (inside | {"loop"}) - {"finally"} if "finally" not in inside else inside | {"loop"}
        callee = self.pick(callees) if callees else ""
        if callee[:1] == "y":
            generator = f"{callee}({self.below(3)})"
            if WITH_GREENLETS and self.below(3):
                generator = f"@IN({generator})"
            self.emit(depth, f"i{depth} = {generator}")
            self.emit(depth, "try:")
            self.emit(depth + 1, f"@FOR v in i{depth}:")
            self.block(depth + 2, name, kind, index, inside)
            if WITH_GREENLETS and self.below(4) == 0:
                self.emit(depth + 2, "with h.throws():")
                error = f"h.error({self.below(8)}, 6)"
                self.emit(depth + 3, f"h.note({name!r}, @CALL(i{depth}.@THROW({error})))")
            self.emit(depth, "finally:")
            self.emit(depth + 1, "with h.closes():")
            self.emit(depth + 2, f"@CALL(i{depth}.@CLOSE())")
            return
        if callee[:1] == "a" and kind in "sym":
            line = f"@FOR v in @ITER({callee}({self.below(3)})):"
        elif callee[:1] == "a":
            line = f"async for v in {callee}({self.below(3)}):"
        elif callee[:1] == "g":
            line = f"for v in {callee}({self.below(3)}):"
        else:
            line = f"for v in range({1 + self.below(3)}):"
        self.emit(depth, line)
        self.block(depth + 1, name, kind, index, inside)
        if self.below(3) == 0:
            self.emit(depth, "else:")
            self.emit(depth + 1, f"h.note({name!r}, 'no break')")

    def do_generator(self, depth, name, kind, index, inside) -> None:
        """A generator that awaits nothing, driven by hand with suspensions in between."""
        callees = self.callees(index, "g")
        if not callees:
            return self.do_try(depth, name, kind, index, inside)
        self.emit(depth, f"q{depth} = {self.pick(callees)}()")
        self.emit(depth, f"h.note(next(q{depth}, None))")
        self.block(depth, name, kind, index, inside)
        lines = [
            f"h.note(next(q{depth}, None))",
            f"q{depth}.close()",
            f"h.note(h.step(q{depth}, 'throw', {self.below(8)}))",
            f"h.note(h.step(q{depth}, 'send', {self.below(8)}))",
        ]
        self.emit(depth, self.pick(lines))
        self.block(depth, name, kind, index, inside)
        return None


@st.composite
def cases(draw) -> Case:
    return Writer(draw).program()
