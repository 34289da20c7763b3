"""The choice of backend, as an attribute of the package that can be set."""

from __future__ import annotations

import os
import sys
import warnings
from types import ModuleType

from . import _engine

ENVIRONMENT_VARIABLE = "SWITCHBACK_BACKEND"


class _Package(ModuleType):
    @property
    def backend(self) -> str:
        return _engine.get_backend()

    @backend.setter
    def backend(self, name: str) -> None:
        try:
            _engine.set_backend(name)
        except ImportError as error:
            raise RuntimeError(
                "the greenlet backend needs the package greenlet: 'pip install greenlet'"
            ) from error


def make_settable(package: str) -> None:
    """Give a package the attribute `backend`, at first as the environment variable says."""
    module = sys.modules[package]
    module.__class__ = _Package
    assert isinstance(module, _Package)
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        try:
            module.backend = chosen
        except ValueError as error:
            raise ValueError(f"{ENVIRONMENT_VARIABLE}: {error}") from None
    elif (obstacle := _engine.native_obstacle()) is not None:
        # Without a choice of the program's own, it has to be told.
        warnings.warn(f"no native backend: {obstacle}", RuntimeWarning, stacklevel=3)
