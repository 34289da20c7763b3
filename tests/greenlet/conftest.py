"""The backends that a test chooses, whichever the tests run on."""

from __future__ import annotations

import pytest
from support.greenlet_programs import NATIVE

import switchback


@pytest.fixture(autouse=True)
def import_greenlet(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("imports_greenlet"):
        pytest.importorskip("greenlet")


@pytest.fixture(params=[NATIVE, "greenlet"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the backends in turn."""
    monkeypatch.setattr(switchback.settings, "backend", request.param)
    return request.param


@pytest.fixture
def on_greenlet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchback.settings, "backend", "greenlet")


@pytest.fixture
def on_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchback.settings, "backend", "native")
