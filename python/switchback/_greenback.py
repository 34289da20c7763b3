"""Running programs that import greenback on Switchback instead."""

from __future__ import annotations

import sys
from types import ModuleType

from . import _refusals, _stackscope

#: The release of greenback whose interface this package has.
INTERFACE_VERSION = "1.3.0"

_PORTALS = (
    "await_",
    "ensure_portal",
    "bestow_portal",
    "has_portal",
    "with_portal_run",
    "with_portal_run_sync",
    "with_portal_run_tree",
    "portals_for_tree",
    "portals_for_children",
    "AutoPortalInstrument",
)
_HELPERS = ("autoawait", "decorate_as_sync", "async_context", "async_iter")


def install_as_greenback() -> None:
    """Have ``import greenback`` give this package, for the rest of the process.

    Call it before anything imports greenback. Calling it again does nothing. Raises `RuntimeError`
    if greenback itself has been imported already: its users would keep what they have.
    """
    import switchback

    present = sys.modules.get("greenback")
    if present is not None:
        if getattr(present, "__switchback__", None) is switchback:
            return
        raise RuntimeError(
            "greenback has been imported already; call switchback.install_as_greenback() before "
            "the first import of greenback, such as at the top of the program's main module"
        )

    # Programs reach into the two private modules for the same public names.
    for suffix, names in (("", _PORTALS + _HELPERS), ("._impl", _PORTALS), ("._util", _HELPERS)):
        module = ModuleType(f"greenback{suffix}", f"switchback under the name of greenback{suffix}")
        for name in names:
            setattr(module, name, getattr(switchback, name))
        sys.modules[module.__name__] = module
    greenback = sys.modules["greenback"]
    greenback.__version__ = INTERFACE_VERSION  # type: ignore[attr-defined]
    greenback.__switchback__ = switchback  # type: ignore[attr-defined]
    greenback.__path__ = []
    greenback._impl = sys.modules["greenback._impl"]  # type: ignore[attr-defined]
    greenback._util = sys.modules["greenback._util"]  # type: ignore[attr-defined]
    _stackscope.prepare_import(greenback)
    _refusals.package_name = "greenback"
