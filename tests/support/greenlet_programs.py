"""Programs in which it matters whether, and when, greenlet is imported; and greenlet itself."""

from __future__ import annotations

import importlib
import subprocess
from typing import Any

import pytest
from support.children import check_code, run_code

PRELUDE = """
import asyncio
import sys

import switchback
from switchback import (
    NoPortalError, await_, ensure_portal, with_portal_run, with_portal_run_sync
)

def running_on():
    '''The backend of the portal whose code calls this.'''
    greenlet = sys.modules.get("greenlet")
    switched = greenlet is not None and greenlet.getcurrent().parent is not None
    return "greenlet" if switched else "native"

"""

#: The native backend as one of the variants of a test.
NATIVE = pytest.param("native", marks=pytest.mark.chooses_native(reason="a variant on native"))

ERRORS = ("-W", "error")


def run_program(
    body: str, backend: str | None = None, first: str = ""
) -> subprocess.CompletedProcess[str]:
    return run_code(body, backend, options=ERRORS, prelude=first + PRELUDE)


def check_program(body: str, backend: str | None = None, first: str = "") -> str:
    return check_code(body, backend, options=ERRORS, prelude=first + PRELUDE)


class _Later:
    """The module greenlet, imported when something of it is used first.

    Not when tests are collected: what has been imported changes how other tests' portals run.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "pytest")):  # what pytest looks for in all that a module has
            raise AttributeError(name)
        return getattr(importlib.import_module("greenlet"), name)


greenlet = _Later()


def running_on() -> str:
    """The backend of the portal whose code calls this."""
    return "greenlet" if greenlet.getcurrent().parent is not None else "native"
