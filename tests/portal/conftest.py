"""What several tests of portals get."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def printed(monkeypatch):
    """What would be printed by those who lose exceptions."""
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_type.__name__))
    return seen
