"""The collector takes a task that nothing refers to but what it waits for itself, as natively."""

from __future__ import annotations

import pytest
from support import lost_tasks

pytestmark = pytest.mark.needs_native(reason="greenlets do not show what their stack refers to")


@pytest.mark.parametrize("how", lost_tasks.WAYS)
@pytest.mark.parametrize("case", lost_tasks.CASES)
def test_a_lost_task_is_collected_as_natively(asyncio_library, case, how):
    native = lost_tasks.outcome(asyncio_library, case, None)
    in_portal = lost_tasks.outcome(asyncio_library, case, how)
    if case in lost_tasks.KEPT_IN_PORTALS:
        assert in_portal[0] == ["lost"]
        return
    assert in_portal[0] == native[0]
    assert in_portal[0] == [] or case in lost_tasks.KEPT_NATIVELY
    if case not in lost_tasks.ENDS_DIFFER:
        assert in_portal == native
