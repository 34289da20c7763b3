"""The backend and the size of a stack, as attributes of the package that can be set."""

from __future__ import annotations

import os
import sys
import warnings
from types import ModuleType

from . import _engine

ENVIRONMENT_VARIABLE = "SWITCHBACK_BACKEND"
STACK_SIZE_VARIABLE = "SWITCHBACK_STACK_SIZE"


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

    @property
    def stack_size(self) -> int:
        return _engine.get_stack_size()

    @stack_size.setter
    def stack_size(self, size: int) -> None:
        _engine.set_stack_size(size)


def make_settable(package: str) -> None:
    """Give a package its attributes that can be set, at first as environment variables say."""
    module = sys.modules[package]
    module.__class__ = _Package
    assert isinstance(module, _Package)
    size = os.environ.get(STACK_SIZE_VARIABLE)
    if size:
        try:
            module.stack_size = int(size)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{STACK_SIZE_VARIABLE}: {error}") from None
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        try:
            module.backend = chosen
        except ValueError as error:
            raise ValueError(f"{ENVIRONMENT_VARIABLE}: {error}") from None
    elif (obstacle := _engine.native_obstacle()) is not None:
        # Without a choice of the program's own, it has to be told.
        warnings.warn(f"no native backend: {obstacle}", RuntimeWarning, stacklevel=3)
