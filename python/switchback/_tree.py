"""Portals for whole trees of tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from . import _engine
from ._frameworks import Task, built_in, current_task, has_trees
from ._portals import bestow_portal, with_portal_run

if TYPE_CHECKING:
    from ._frameworks._abilities import FrameworkWithTrees

P = ParamSpec("P")
T = TypeVar("T")


def _current() -> tuple[FrameworkWithTrees, Task]:
    found = current_task()
    if found is not None:
        framework, task = found
        if has_trees(framework):
            return framework, task
    titles = " and ".join(known.TITLE for known in built_in())
    raise RuntimeError(
        f"portals for a tree of tasks are for tasks of {titles}, and none is running "
        "here; elsewhere call ensure_portal() in each task, or bestow_portal(task) after "
        "creating one"
    )


@contextmanager
def portals_for_children() -> Iterator[None]:
    """Give a portal to every child task that is created inside this context.

    And to their children, recursively; not to the task that enters the context. In Trio, child
    tasks are those in nurseries that are opened inside. In asyncio, they are those that inherit
    their context variables from inside, as what a task creates does. They are created by the task
    factory that the loop has on entry; one that is set inside has to call the one it replaces.
    Eager tasks of asyncio's own factories have their portal from the first step on, those of others
    from the second. No task that is created after the end of the ``with`` block gets one.

    Entering and leaving are not checkpoints. Raises `RuntimeError` outside of tasks of either, and
    where this build of asyncio does not allow a task's coroutine to be replaced.
    """
    framework, _ = _current()
    with framework.portals_for_children():
        yield


@asynccontextmanager
async def portals_for_tree() -> AsyncIterator[None]:
    """Give a portal to this task and, as `portals_for_children` does, to its child tasks.

    Entering and leaving let other tasks run. In Trio, neither can be cancelled; in asyncio both
    can, and leave the task as it was. Raises `RuntimeError` as `portals_for_children` does.
    """
    framework, task = _current()
    with portals_for_children():
        # Not the task's coroutine: inside with_portal_run() the portal is further up.
        original = framework.get_coroutine(task)
        had_portal = _engine.has_active_portal() or _engine.is_portal(original)
        bestow_portal(task)
        portal = framework.get_coroutine(task)
        try:
            await framework.tree_checkpoint()
            yield
        finally:
            if not had_portal and framework.get_coroutine(task) is portal:
                framework.set_coroutine(task, original)
            await framework.tree_checkpoint()


async def with_portal_run_tree(
    async_fn: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run ``await async_fn(*args, **kwargs)`` where it and its child tasks can use `await_`.

    Its child tasks are those of `portals_for_children`: ``trio.run(with_portal_run_tree, main)``
    and ``asyncio.run(with_portal_run_tree(main))`` cover a whole program.

    It is a checkpoint only where `async_fn` executes one. Raises what `async_fn` raises, and
    `RuntimeError` as `portals_for_children` does.
    """
    framework, task = _current()
    framework.name_after(task, with_portal_run_tree, async_fn)
    with portals_for_children():
        return await with_portal_run(async_fn, *args, **kwargs)
