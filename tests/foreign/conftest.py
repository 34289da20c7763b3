"""A library for each way to keep the call under way."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls_under_way import KINDS, build, load


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compile a library of a kind, once."""
    places: dict[str, Path] = {}
    directory = tmp_path_factory.mktemp("libraries")

    def build_once(kind: str) -> Path:
        if kind not in places:
            places[kind] = build(directory / f"{kind.replace(' ', '_')}.so", kind)
        return places[kind]

    return build_once


@pytest.fixture(params=KINDS)
def calls(request: pytest.FixtureRequest, built: Callable[[str], Path]) -> ctypes.PyDLL:
    """Each of the libraries in turn."""
    return load(built(request.param))
