"""What NoPortalError says: why there is no portal here, and what to call to have one."""

from __future__ import annotations

import sys
import threading

from . import _engine
from ._frameworks import built_in, current_task

#: The name by which the program knows this package.
package_name = "switchback"


def explain_no_portal() -> str:
    # Not with the package, whose import is to be quick.
    from ._frameworks import _greenlet

    if _greenlet.in_greenlet_of_a_step():
        return _greenlet.REFUSAL
    found = current_task()
    if found is None:
        thread = threading.current_thread()
        frameworks = built_in()
        from_thread = " or ".join(framework.AWAIT_FROM_THREAD for framework in frameworks)
        return (
            f"await_() needs an async task to wait in, and none is running in thread "
            f"{thread.name!r} at this point. Call it from a function that a task with a portal "
            f"calls, in the thread of its event loop; from another thread, use "
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
        f"or 'await {package_name}.with_portal_run(async_fn, *args)' for one call"
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
