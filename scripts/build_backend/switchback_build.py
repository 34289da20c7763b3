"""Builds the package as scikit-build-core does, after a look at what the machine lacks for that."""

from __future__ import annotations

import sys
from typing import Any

import lacking
from scikit_build_core import build as _build
from scikit_build_core.build import (
    build_sdist as build_sdist,
    get_requires_for_build_editable as get_requires_for_build_editable,
    get_requires_for_build_sdist as get_requires_for_build_sdist,
    get_requires_for_build_wheel as get_requires_for_build_wheel,
    prepare_metadata_for_build_editable as prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel as prepare_metadata_for_build_wheel,
)

_Settings = dict[str, Any] | None


def build_wheel(
    wheel_directory: str,
    config_settings: _Settings = None,
    metadata_directory: str | None = None,
) -> str:
    _refuse_what_cannot_succeed(config_settings)
    return _build.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str,
    config_settings: _Settings = None,
    metadata_directory: str | None = None,
) -> str:
    _refuse_what_cannot_succeed(config_settings)
    return _build.build_editable(wheel_directory, config_settings, metadata_directory)


def _refuse_what_cannot_succeed(settings: _Settings) -> None:
    message = lacking.message(settings)
    if message is not None:
        # Without a traceback, the line is the last one of the build.
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(1)
