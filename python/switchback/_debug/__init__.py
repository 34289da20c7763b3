"""Debug mode: what looks wrong at a suspension, and calls that block an event loop, are reported.

Imported as the mode is switched on. The engine calls the two functions that look at suspensions.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import _engine
from .._frameworks import refuse_certain_waits
from . import _blocked, _locks, _modules


def switch_on() -> None:
    _engine.set_debug(_Looks)
    refuse_certain_waits(True)


def switch_off() -> None:
    _engine.set_debug(None)
    refuse_certain_waits(False)


class _Looks:
    @staticmethod
    def before_suspension(portal: _engine.Portal, modules: Iterable[str]) -> None:
        """Look at a portal about to be suspended, on its stack: these modules have called there."""
        _blocked.watch(portal)
        _modules.look(portal, modules)

    @staticmethod
    def after_suspension(portal: _engine.Portal) -> None:
        """Look at a portal that has been suspended in `await_`."""
        _locks.look(portal)
