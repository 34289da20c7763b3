"""asyncio: portals for tasks as they are created, on whole loops and in trees.

The engine puts the coroutine of each such task into a portal before there is a task. Where it
cannot see how the C Task is made, the task factories of the loops stand in.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import wraps
from threading import RLock, get_ident
from typing import Any

from .. import _engine
from .._portals import bestow_portal
from . import _asyncio_threads
from ._asyncio_tasks import C_TASK, PY_TASK, ThrowawayLoop, throwaway

# As the engine reads it: the loop of a tree, or None once it has ended, and the tree around it.
Tree = list[Any]

tree_here: ContextVar[Tree | None] = ContextVar("switchback tree", default=None)
#: What is told of the tasks that are created in a context: a weak set, or whatever has `add()`.
scope_here: ContextVar[Any] = ContextVar("switchback run", default=None)

_engine.set_created_tasks(
    _engine.ASYNCIO, asyncio.iscoroutine, asyncio._get_running_loop, tree_here, scope_here
)

_lock = RLock()  # the garbage collector may drop a loop while it is held
# By their identities, as the engine compares them.
_enabled: dict[int, Any] = {}
_open_trees = 0
_open_scopes = 0
_hooked = False
# Why the engine cannot see how the C Task is made, once that is known.
_obstacle: Exception | None = None
_was_tried = False
# The method of the Python Task, while it is replaced.
_py_init: Callable[..., None] | None = None


def check_loop(loop: Any) -> None:
    """Raise `TypeError` or `RuntimeError` for what is no loop that tasks can be looked at on."""
    if not hasattr(loop, "create_task") or not hasattr(loop, "is_closed"):
        raise TypeError(f"expected an event loop of asyncio, not {type(loop).__name__!r}")
    if loop.is_closed():
        raise RuntimeError(f"{loop!r} is closed: nothing can run on it any more")
    if loop.is_running() and loop is not asyncio._get_running_loop():
        if getattr(loop, "_thread_id", None) == get_ident():
            return  # another one runs inside of it
        raise RuntimeError(
            f"{loop!r} runs in another thread; call switchback.enable() there, with "
            "loop.call_soon_threadsafe(switchback.enable, loop)"
        )


def enable(loop: Any) -> None:
    """Give a portal to every task of a loop: to those that there are, and to all to come."""
    check_loop(loop)
    with _lock:
        if id(loop) not in _enabled:
            try:
                _enabled[id(loop)] = weakref.ref(loop, _forget(id(loop)))
            except TypeError:
                _enabled[id(loop)] = loop
            _asyncio_threads.watch(loop)
            _tell_engine()
    if _obstacle is not None:
        from ._asyncio_factories import install

        install(loop)
    for task in asyncio.all_tasks(loop):
        # One whose coroutine is elsewhere, or that has just ended.
        with suppress(RuntimeError):
            bestow_portal(task)


def disable(loop: Any) -> None:
    """Give no more portals to tasks of a loop. Those that have one keep it."""
    with _lock:
        if _enabled.pop(id(loop), None) is None:
            return
        _asyncio_threads.unwatch(loop)
        _tell_engine()
    if _obstacle is not None:
        from ._asyncio_factories import remove

        remove(loop)


def is_enabled(loop: object) -> bool:
    return id(loop) in _enabled


def _forget(address: int) -> Callable[[object], None]:
    def forget(_: object) -> None:
        with _lock:
            if _enabled.pop(address, None) is not None:
                _tell_engine()

    return forget


@contextmanager
def portals_for_created_tasks() -> Iterator[None]:
    """Give a portal to every task that is created inside this context, and to their children."""
    global _open_trees
    loop = asyncio.get_running_loop()
    with _lock:
        _open_trees += 1
        _tell_engine()
    leave_factory = None
    if _obstacle is not None:
        from ._asyncio_factories import install_for_tree

        leave_factory = install_for_tree(loop)
    tree: Tree = [loop, _open_one(tree_here.get())]
    tree_here.set(tree)
    try:
        yield
    finally:
        tree[0] = None
        # Not so where it is left in another context, as a generator can be, or before an inner one.
        if tree_here.get() is tree:
            tree_here.set(_open_one(tree))
        with _lock:
            _open_trees -= 1
            _tell_engine()
        if leave_factory is not None:
            leave_factory()


def _open_one(tree: Tree | None) -> Tree | None:
    """Return the innermost tree that has not ended, of this one and those around it."""
    while tree is not None and tree[0] is None:
        tree = tree[1]
    return tree


@contextmanager
def scopes() -> Iterator[None]:
    """Have what is in `scope_here` told of the tasks that are created."""
    global _open_scopes
    with _lock:
        _open_scopes += 1
        _tell_engine()
    try:
        yield
    finally:
        with _lock:
            _open_scopes -= 1
            _tell_engine()


def note_in_scope(task: Any, coroutine: object) -> None:
    """Tell the scope that this code is in of a task, as the engine does."""
    # By aclose(), a loop finishes async generators: that is nobody's task.
    if _open_scopes and type(coroutine).__name__ != "async_generator_athrow":
        scope = scope_here.get()
        if scope is not None:
            scope.add(task)


def _tell_engine() -> None:
    for address, refer in tuple(_enabled.items()):
        loop = refer() if isinstance(refer, weakref.ref) else refer
        if loop is None or loop.is_closed():
            _enabled.pop(address, None)
    wanted = bool(_enabled or _open_trees or _open_scopes)
    if wanted and not _hooked:
        _hook()
    _engine.give_portals(tuple(_enabled), _open_trees, _open_scopes > 0)
    _asyncio_threads.set_active(bool(_enabled))
    if _hooked and not wanted:
        _unhook()


def _hook() -> None:
    global _hooked, _obstacle, _was_tried
    if C_TASK is not None and _obstacle is None:
        try:
            _engine.hook_task_type(C_TASK)
            if not _was_tried:
                _try_out(C_TASK)
        except Exception as error:
            _engine.unhook_task_type()
            _obstacle = error
        _was_tried = True
    _hook_python_task()
    _hooked = True


def _unhook() -> None:
    global _hooked, _py_init
    _engine.unhook_task_type()
    # Another may have replaced it meanwhile, who calls ours.
    if _py_init is not None and PY_TASK.__init__ is _py_init:
        PY_TASK.__init__ = _py_init.__wrapped__  # type: ignore[attr-defined]
        _py_init = None
    _hooked = False


def _try_out(task_type: Any) -> None:
    """Raise `RuntimeError` unless tasks of this type and of a subclass come with a portal."""
    subclass = type("Task", (task_type,), {})
    loop = ThrowawayLoop()
    _engine.give_portals((*_enabled, id(loop)), _open_trees, _open_scopes > 0)
    for made_type in (task_type, subclass):
        coroutine = throwaway()
        task = made_type(coroutine, loop=loop)
        task._log_destroy_pending = False
        portal = task.get_coro()
        portal.close()
        coroutine.close()
        if not _engine.is_portal(portal):
            raise RuntimeError(f"tasks of {task_type!r} are made in a way that is not known")


def _hook_python_task() -> None:
    global _py_init
    if _py_init is not None:
        return
    found = PY_TASK.__init__

    @wraps(found)
    def __init__(self: Any, coro: Any, **options: Any) -> None:
        found(self, _engine.in_portal_if_wanted(coro, options.get("loop"), self), **options)
        # In debug mode, shows where the program has created it.
        created_at = self._source_traceback
        while created_at and created_at[-1].filename == __file__:
            del created_at[-1]
        note_in_scope(self, coro)

    _py_init = __init__
    PY_TASK.__init__ = __init__
