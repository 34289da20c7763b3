"""What waits in the middle of a synchronous function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.libraries import Library

from switchback import await_


@pytest.fixture
def wait(library: Library) -> Callable[..., Any]:
    """Suspends for a moment and returns its argument."""

    def wait(value: Any = None) -> Any:
        await_(library.checkpoint())
        return value

    return wait
