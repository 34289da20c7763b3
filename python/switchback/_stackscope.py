"""Portals in the stacks that stackscope shows, in programs that use it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import _engine


def install_glue() -> None:
    """Have stackscope show the frames of portals."""
    import stackscope

    from ._calls import frames_of_portal

    @stackscope.unwrap_stackitem.register(_engine.Portal)
    def unwrap_portal(portal: Any) -> list[object]:
        # A portal that runs has its frames on the thread's stack, as a coroutine has.
        items: list[object] = [*frames_of_portal(portal)]
        awaited = _engine.awaited(portal) or portal.cr_await
        if awaited is not None:
            items.append(awaited)
        return items


def prepare_import(greenback: ModuleType) -> None:
    """Have stackscope find what it looks for in greenback, where this package stands in for that.

    As it is imported it registers functions for the code of some of greenback's functions. Portals
    need none of them, so it is given the code of functions that nobody calls.
    """

    def never_called() -> None:
        raise NotImplementedError

    def asked_by_stackscope() -> bool:
        return sys._getframe(2).f_globals.get("__name__") == "stackscope._glue"

    def in_private_module(name: str) -> Callable[[], None]:
        if name != "_greenback_shim" or not asked_by_stackscope():
            raise AttributeError(f"module 'greenback._impl' has no attribute {name!r}")
        # The next that it asks for is greenback.await_, which has no code that it could look up.
        await_ = vars(greenback).pop("await_")

        def in_module(name: str) -> object:
            if name != "await_":
                raise AttributeError(f"module 'greenback' has no attribute {name!r}")
            if not asked_by_stackscope():
                return await_
            del vars(greenback)["__getattr__"]
            vars(greenback)["await_"] = await_
            return never_called

        vars(greenback)["__getattr__"] = in_module
        return never_called

    vars(greenback)["_impl"].__getattr__ = in_private_module
