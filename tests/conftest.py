"""The event loops that tests run on, and the comparison of await_() with a native await."""

from __future__ import annotations

import ast
import asyncio
import asyncio.tasks
import contextlib
import dataclasses
import inspect
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Awaitable, Callable, Iterator
from types import FunctionType
from typing import Any

import pytest

# The backend that a test runs on must not hang on what another test has imported.
os.environ.setdefault("SWITCHBACK_BACKEND", "native")

from native_only import NATIVE_ONLY, WITHOUT_NATIVE
from sanitizers import NOT_UNDER

import switchback
from switchback import _engine

SANITIZER = os.environ.get("SWITCHBACK_SANITIZER", "")


# The tests that import greenlet come last. Where the program has done that, current tasks are
# compared in another way, and portals that begin may run in another way.
IMPORT_GREENLET = ("test_greenback_suite.py", "test_backend.py")


def pytest_runtest_setup(item: pytest.Item) -> None:
    may_import = switchback.settings.backend != "native" or item.path.name in IMPORT_GREENLET
    assert may_import or "greenlet" not in sys.modules, "a test before this has imported greenlet"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name in IMPORT_GREENLET)
    skips = dict(NOT_UNDER.get(SANITIZER, {}))
    native_only: dict[str, str] = {}
    if switchback.settings.backend != "native":
        native_only |= NATIVE_ONLY
    without_native = _engine.native_obstacle() is not None
    if without_native:
        native_only |= WITHOUT_NATIVE
    skips |= {start: f"native backend only: {why}" for start, why in native_only.items()}
    for item in items:
        test = item.nodeid.removeprefix("tests/")
        for start, reason in skips.items():
            if test.startswith(start):
                item.add_marker(pytest.mark.skip(reason=reason))
        if without_native and re.search(r"[\[-]native\b", test):
            item.add_marker(pytest.mark.skip(reason="there is no native backend here"))


if sys.version_info >= (3, 14) and hasattr(asyncio.tasks, "_c_enter_task"):
    # Else a task written in Python is known to functions written in Python only, and neither
    # asyncio.current_task() nor asyncio.all_tasks() is.
    for _name in vars(asyncio.tasks).copy():
        if _name.startswith("_c_") and _name.endswith("_task"):
            setattr(asyncio.tasks, f"_py_{_name[3:]}", getattr(asyncio.tasks, _name))


@contextlib.contextmanager
def without_running_loop() -> Iterator[None]:
    """asyncio refuses to run a loop in a loop; who insists hides the outer one and its task."""
    loop = asyncio._get_running_loop()
    task = asyncio.current_task(loop) if sys.version_info >= (3, 14) and loop else None
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)


class AsyncioLibrary:
    """asyncio, on a loop and with a type of task that are given."""

    name = "asyncio"

    def __init__(self, new_event_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._new_event_loop = new_event_loop

    def run(self, async_fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run ``await async_fn(*args)`` as the main task of a new event loop."""

        async def main() -> Any:
            return await async_fn(*args)

        with asyncio.Runner(loop_factory=self._new_event_loop) as runner:
            return runner.run(main())

    async def checkpoint(self) -> None:
        await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def event(self) -> asyncio.Event:
        return asyncio.Event()

    def current_task(self) -> Any:
        return asyncio.current_task()

    async def gather(self, *async_fns: Callable[[], Awaitable[Any]]) -> list[Any]:
        """Run each in a task of its own; return their results in the order of the arguments.

        Raises an ExceptionGroup where any of them raises.
        """

        async def call(async_fn: Callable[[], Awaitable[Any]]) -> Any:
            return await async_fn()

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call(async_fn)) for async_fn in async_fns]
        return [task.result() for task in tasks]


class TrioLibrary:
    """Trio, behind the same interface."""

    name = "trio"

    def run(self, async_fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        import trio

        return trio.run(async_fn, *args)

    async def checkpoint(self) -> None:
        import trio

        await trio.lowlevel.checkpoint()

    async def sleep(self, seconds: float) -> None:
        import trio

        await trio.sleep(seconds)

    def event(self) -> Any:
        import trio

        return trio.Event()

    def current_task(self) -> Any:
        import trio

        return trio.lowlevel.current_task()

    async def gather(self, *async_fns: Callable[[], Awaitable[Any]]) -> list[Any]:
        import trio

        results: list[Any] = [None] * len(async_fns)

        async def call(index: int) -> None:
            results[index] = await async_fns[index]()

        async with trio.open_nursery() as nursery:
            for index in range(len(async_fns)):
                nursery.start_soon(call, index)
        return results


Library = AsyncioLibrary | TrioLibrary


def _loop_with_python_tasks() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    # asyncio.Task is the C type where there is one.
    loop.set_task_factory(lambda loop, coro, **kw: asyncio.tasks._PyTask(coro, loop=loop, **kw))
    return loop


ASYNCIO_LIBRARIES = ["asyncio", "asyncio-python-task", "uvloop"]


def make_library(name: str) -> Library:
    if name == "asyncio":
        return AsyncioLibrary(asyncio.new_event_loop)
    if name == "asyncio-python-task":
        return AsyncioLibrary(_loop_with_python_tasks)
    if name == "uvloop":
        return AsyncioLibrary(pytest.importorskip("uvloop").new_event_loop)
    pytest.importorskip("trio")
    return TrioLibrary()


@pytest.fixture(params=[*ASYNCIO_LIBRARIES, "trio"])
def library(request: pytest.FixtureRequest) -> Library:
    """Each of the event loops in turn."""
    return make_library(request.param)


@pytest.fixture(params=ASYNCIO_LIBRARIES)
def asyncio_library(request: pytest.FixtureRequest) -> Library:
    """Each of the loops and kinds of task that speak asyncio."""
    return make_library(request.param)


@pytest.fixture
def trio_library() -> Library:
    return make_library("trio")


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


@pytest.fixture
def both_ways(library: Library) -> Callable[..., Outcome]:
    """Run an async function as it is, and synchronously in a portal; expect the same outcome.

    The function is called with the library and a list to note down what it sees.
    """

    def compare(async_fn: Any, *args: Any) -> Outcome:
        native, in_portal = run_both_ways(library, async_fn, *args)
        assert in_portal == native
        return in_portal

    return compare
