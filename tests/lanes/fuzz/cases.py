"""A set of programs, in a text that stands for both what runs natively and what runs in portals.

The text has marks where the two differ, such as ``@AWAIT(x)``: `MARKS` says what each stands for.
Both texts have the same lines, so line numbers are compared as well.
"""

from __future__ import annotations

import dataclasses

#: What a mark stands for natively, and in a portal.
MARKS = {
    "@DEF": ("async def", "def"),
    "@AWAIT(": ("await (", "await_("),
    "@CALL(": ("await (", "("),
    "@WITH(": ("async with (", "with async_context("),
    "@FOR": ("async for", "for"),
    "@ITER(": ("(", "async_iter("),
    "@CLOSE(": ("aclose(", "close("),
    "@THROW(": ("athrow(", "throw("),
    "@GREENLET(": ("await h.greenlets.call_natively(", "h.greenlets.call_in_portal("),
    "@IN(": ("h.greenlets.NativeGenerator(", "h.greenlets.GeneratorOfPortal("),
    "@LIBRARY(": ("await h.libraries.call_natively(h, ", "h.libraries.call_in_portal(h, "),
    "@EACH(": ("await h.each_natively(", "h.each_in_portal("),
    "@RUN(": ("await h.run_natively(", "contextvars.copy_context().run("),
    "@COROUTINE(": ("h.coroutine(", "h.portal("),
    "@MANAGER": ("contextlib.asynccontextmanager", "contextlib.contextmanager"),
    "@ENTER(": ("async with (", "with ("),
}


@dataclasses.dataclass
class Case:
    """A set of programs that run concurrently, and what their driver does to them."""

    text: str
    #: For each program: the function, the kind of portal it has, and which context it runs in.
    roots: list[tuple[str, int, int]]
    #: For each step: the program, the action, its argument, and where not zero the context, if it
    #: is another than that of the program.
    steps: list[tuple[int, str, int, int]]

    @property
    def nested(self) -> bool:
        """Whether functions call each other."""
        return self.text.count("h.enter(") > 1

    def source(self, way: int) -> str:
        text = self.text
        for mark, meanings in MARKS.items():
            text = text.replace(mark, meanings[way])
        return text

    def script(self) -> str:
        """A script that repeats this case; it needs this directory on PYTHONPATH."""
        return (
            f"import cases\nimport worlds\n\ncase = cases.Case(\n    text='''\\\n{self.text}''',\n"
            f"    roots={self.roots!r},\n    steps={self.steps!r},\n)\n"
            "print(worlds.difference(case) or 'no difference')\n"
        )
