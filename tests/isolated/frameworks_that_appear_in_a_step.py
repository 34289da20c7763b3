"""greenlet imported, or a framework registered, in a portal's step does not lock that step out."""

# mark: needs_native: is about greenlet not being imported yet

import asyncio
import sys

import switchback
from switchback import await_, with_portal_run_sync


class Framework:
    """One whose current task is always the same."""

    name = "constant"

    def current_task(self):
        return self

    def is_task(self, task):
        return task is self


def register():
    switchback.register_framework(Framework())
    await_(asyncio.sleep(0))
    await_(asyncio.sleep(0))
    return "registered"


def import_greenlet():
    assert "greenlet" not in sys.modules
    import greenlet

    await_(asyncio.sleep(0))
    await_(asyncio.sleep(0))
    assert greenlet.getcurrent().parent is None
    return "imported"


assert asyncio.run(with_portal_run_sync(register)) == "registered"
try:
    assert asyncio.run(with_portal_run_sync(import_greenlet)) == "imported"
except ModuleNotFoundError:
    print("greenlet is not installed")
    sys.exit(77)
