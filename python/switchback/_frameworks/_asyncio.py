"""What is known of asyncio before the program has imported it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .. import _engine

if TYPE_CHECKING:
    from ._asyncio_tasks import AsyncioFramework

TITLE = "asyncio"
INDEX = _engine.ASYNCIO
MAIN_IN_PORTAL = "asyncio.run({}.with_portal_run(main))"
AWAIT_FROM_THREAD = "asyncio.run_coroutine_threadsafe()"
CALL_FROM_THREAD = "loop.call_soon_threadsafe()"
RUN_IN_POOL = "asyncio.to_thread()"
WAIT_FOR_FUTURE = "asyncio.wrap_future(future)"


def find_framework() -> AsyncioFramework | None:
    # By attribute, not by entry: a module that is still being imported is not there yet.
    if not hasattr(sys.modules.get("asyncio"), "run"):
        return None
    from ._asyncio_tasks import framework

    return framework
