"""Runs an async function as it is and, with await_() for `await`, in a portal; compares both."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import traceback
from types import FunctionType
from typing import Any

from support.libraries import Library

import switchback


class _Synchronously(ast.NodeTransformer):
    """Makes of an async function the synchronous one that uses await_() in its place."""

    depth = 0

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        if self.depth:
            return node  # async functions inside of the function stay so
        self.depth += 1
        self.generic_visit(node)
        fields = {name: getattr(node, name) for name in node._fields} | {"decorator_list": []}
        return ast.copy_location(ast.FunctionDef(**fields), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Await(self, node: ast.Await) -> ast.AST:
        self.generic_visit(node)
        return self._call("await_", node.value, node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        for item in node.items:
            item.context_expr = self._call("async_context", item.context_expr, item.context_expr)
        return ast.copy_location(ast.With(items=node.items, body=node.body), node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        self.generic_visit(node)
        iterable = self._call("async_iter", node.iter, node.iter)
        fields = {name: getattr(node, name) for name in node._fields} | {"iter": iterable}
        return ast.copy_location(ast.For(**fields), node)

    def _call(self, name: str, argument: ast.expr, place: ast.AST) -> ast.expr:
        function = ast.copy_location(ast.Name(id=name, ctx=ast.Load()), place)
        return ast.copy_location(ast.Call(func=function, args=[argument], keywords=[]), place)


def synchronously(async_fn: Any) -> Any:
    """Return the function `async_fn` with await_() for `await`, line for line.

    ``async with`` and ``async for`` go through async_context and async_iter.
    """
    assert not async_fn.__code__.co_freevars, "closures are not supported"
    tree = ast.parse(textwrap.dedent(inspect.getsource(async_fn)))
    ast.increment_lineno(tree, async_fn.__code__.co_firstlineno - 1)
    tree = ast.fix_missing_locations(_Synchronously().visit(tree))
    module = compile(tree, async_fn.__code__.co_filename, "exec", dont_inherit=True)
    [code] = [const for const in module.co_consts if inspect.iscode(const)]
    names = {name: getattr(switchback, name) for name in ("await_", "async_context", "async_iter")}
    return FunctionType(code, async_fn.__globals__ | names, argdefs=async_fn.__defaults__)


@dataclasses.dataclass
class Outcome:
    """What the run of a function came to; `seen` is what it has noted on the way."""

    value: Any = None
    error: Any = None
    seen: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Raised:
    """An exception with everything that a user sees of it."""

    type: type[BaseException]
    args: tuple[Any, ...]
    frames: list[tuple[str, int]]
    cause: Raised | None
    context: Raised | None
    suppress_context: bool
    notes: list[str]
    parts: list[Raised | None]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.frames]


def raised(exception: BaseException | None, start: str | None = None) -> Raised | None:
    """Describe an exception; its traceback from the first frame of the function `start` on."""
    if exception is None:
        return None
    frames = [
        (frame.f_code.co_name, line) for frame, line in traceback.walk_tb(exception.__traceback__)
    ]
    names = [name for name, _ in frames]
    if start in names:
        frames = frames[names.index(start) :]
    parts = exception.exceptions if isinstance(exception, BaseExceptionGroup) else ()
    return Raised(
        type=type(exception),
        args=() if parts else tuple(map(repr, exception.args)),
        frames=frames,
        cause=raised(exception.__cause__, start),
        context=raised(exception.__context__, start),
        suppress_context=exception.__suppress_context__,
        notes=list(getattr(exception, "__notes__", [])),
        parts=[raised(part, start) for part in parts],
    )


def observe(library: Library, async_fn: Any, *args: Any) -> Outcome:
    """Run ``await async_fn(library, seen, *args)`` and return what came of it."""
    outcome = Outcome()
    name = async_fn.__name__

    async def main() -> None:
        try:
            outcome.value = await async_fn(library, outcome.seen, *args)
        except BaseException as error:
            outcome.error = raised(error, name)

    library.run(main)
    return outcome


def run_both_ways(library: Library, async_fn: Any, *args: Any) -> tuple[Outcome, Outcome]:
    """Run an async function as it is, and synchronously in a portal."""
    sync_fn = synchronously(async_fn)

    async def in_portal(library: Library, seen: list[Any], *args: Any) -> Any:
        return await switchback.with_portal_run_sync(sync_fn, library, seen, *args)

    in_portal.__name__ = async_fn.__name__  # where observe() starts to look at tracebacks
    return observe(library, async_fn, *args), observe(library, in_portal, *args)
