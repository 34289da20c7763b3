"""What is known of Trio before the program has imported it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .. import _engine

if TYPE_CHECKING:
    from ._trio_tasks import TrioFramework

TITLE = "Trio"
INDEX = _engine.TRIO
MAIN_IN_PORTAL = "trio.run({}.with_portal_run, main)"
AWAIT_FROM_THREAD = "trio.from_thread.run()"
CALL_FROM_THREAD = "trio.from_thread.run_sync()"
RUN_IN_POOL = "trio.to_thread.run_sync()"
WAIT_FOR_FUTURE = "trio.to_thread.run_sync(future.result)"


def find_framework() -> TrioFramework | None:
    # By attribute, not by entry: a module that is still being imported is not there yet.
    if not hasattr(sys.modules.get("trio"), "run"):
        return None
    from ._trio_tasks import framework

    return framework
