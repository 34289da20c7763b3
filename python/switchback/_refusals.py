"""What NoPortalError says: why there is no portal here, and what to call to have one."""

from __future__ import annotations

import sys
import threading
from types import CoroutineType, FunctionType, MethodType
from typing import Any

from . import _engine
from ._frameworks import _greenlet, built_in, current_task, has_callbacks

#: The name by which the program knows this package.
package_name = "switchback"

#: As in `inspect`, whose import takes a while.
CO_COROUTINE = 0x80


def explain_no_portal() -> str:
    if _greenlet.in_greenlet_of_a_step():
        return _greenlet.refusal()
    found = current_task()
    callback = _callback_here() if found is None else None
    if callback is not None:
        return (
            f"await_() needs an async task to wait in, and {callback} is a callback of the event "
            f"loop, which is none: pass {package_name}.callback(function) instead of the function, "
            f"or start a task in it"
        )
    if found is None:
        thread = threading.current_thread()
        frameworks = built_in()
        from_thread = " or ".join(framework.AWAIT_FROM_THREAD for framework in frameworks)
        return (
            f"await_() needs an async task to wait in, and none is running in thread "
            f"{thread.name!r} at this point{_of_pool(thread)}. Call it from a function that a task "
            f"with a portal calls, in the thread of its event loop; from another thread, use "
            f"{from_thread} instead. Where a coroutine runs without a task, use "
            f"'await {package_name}.with_portal_run(async_fn)' and not "
            f"{package_name}.ensure_portal(). Outside of any coroutine, you must create a "
            f"{package_name} portal around the program's main function: "
            f"{frameworks[0].MAIN_IN_PORTAL.format(package_name)}"
        )
    framework, task = found
    if framework.is_task(task) and _engine.is_portal(framework.get_coroutine(task)):
        return (
            f"the portal that was bestowed on {task!r} becomes active with the task's next step: "
            f"you must yield to the event loop, such as by 'await {framework.name}.sleep(0)', "
            f"between {package_name}.bestow_portal() and await_()"
        )
    return (
        f"await_() needs a portal in the running task, and {task!r} has none. You must create a "
        f"{package_name} portal: 'await {package_name}.ensure_portal()' for the rest of the task, "
        f"'await {package_name}.with_portal_run(async_fn, *args)' for one call, or "
        f"'await {package_name}.with_portal_run_tree(main)' for a whole program with all its tasks"
    )


def _callback_here() -> str | None:
    """Describe the callback that an event loop is running in this thread, if it is."""
    for known in built_in():
        framework = known.find_framework()
        if framework is not None and has_callbacks(framework):
            callback = framework.callback_here()
            if callback is not None:
                return callback
    return None


def _of_pool(thread: threading.Thread) -> str:
    """Return what else there is to say of a thread that runs functions for an event loop."""
    # What it runs: a function of a pool, or a class of its own.
    origin = getattr(thread, "_target", None) or type(thread)
    if not str(origin.__module__).startswith(("concurrent.futures.", "anyio.")):
        return ""
    run_in_pool = " or ".join(framework.RUN_IN_POOL for framework in built_in())
    return (
        f", which belongs to a pool of threads: {run_in_pool} and the like run a function outside "
        "of the event loop. A function that awaits needs no such thread: "
        f"'await {package_name}.with_portal_run_sync(fn)' runs it in the event loop; or "
        f"{package_name}.enable(), called once in the event loop, has await_() work in its threads"
    )


def explain_not_awaitable(what: object, message: str) -> str:
    """Return the message of `await` for what cannot be awaited, with what to do instead."""
    futures = sys.modules.get("concurrent.futures")
    if futures is not None and isinstance(what, futures.Future):
        ways = " or ".join(f"await_({framework.WAIT_FOR_FUTURE})" for framework in built_in())
        return f"{message}: it is a future of threads; use {ways}"
    if isinstance(what, FunctionType | MethodType):
        name = what.__name__
        return f"{message}: it is a function, and not what it returns; call it: await_({name}(...))"
    return message


def refuse_coroutine_of(function: object, coroutine: CoroutineType[Any, Any, Any]) -> None:
    """Raise `TypeError` where an async function was called as if it were a synchronous one."""
    inner = getattr(function, "func", function)  # of a partial
    if not getattr(getattr(inner, "__code__", None), "co_flags", 0) & CO_COROUTINE:
        return
    coroutine.close()
    name = getattr(inner, "__name__", "async_fn")
    raise TypeError(
        f"with_portal_run_sync() runs synchronous functions, and {name!r} is an async one: use "
        f"'await {package_name}.with_portal_run({name}, ...)'"
    )


def explain_wrong_thread(ident: int, ended: bool) -> str:
    name = next(
        (f"{thread.name!r}" for thread in threading.enumerate() if thread.ident == ident), ""
    )
    where = f"thread {name or ident}"
    if ended or (not name and ident not in sys._current_frames()):
        return (
            f"this portal is suspended in await_() in {where}, which has ended: nothing can resume "
            f"it. Close portals, or let them finish, before their thread or process ends"
        )
    from_thread = " or ".join(framework.CALL_FROM_THREAD for framework in built_in())
    return (
        f"this portal is suspended in await_() in {where}, and can only be resumed there, not in "
        f"thread {threading.current_thread().name!r}: pass the work to that thread's event loop, "
        f"with {from_thread}"
    )
