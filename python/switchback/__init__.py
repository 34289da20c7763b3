"""Await from synchronous functions, on the event loop that already runs further up the stack."""

import atexit as _atexit

from . import _engine, _refusals, _settings
from ._engine import NoPortalError as NoPortalError, await_ as await_
from ._frameworks import Framework as Framework, register_framework as register_framework
from ._frameworks._trio_tree import AutoPortalInstrument as AutoPortalInstrument
from ._greenback import install_as_greenback as install_as_greenback
from ._helpers import (
    async_context as async_context,
    async_iter as async_iter,
    autoawait as autoawait,
    decorate_as_sync as decorate_as_sync,
)
from ._portals import (
    bestow_portal as bestow_portal,
    ensure_portal as ensure_portal,
    has_portal as has_portal,
    with_portal_run as with_portal_run,
    with_portal_run_sync as with_portal_run_sync,
)
from ._settings import settings as settings
from ._tree import (
    portals_for_children as portals_for_children,
    portals_for_tree as portals_for_tree,
    with_portal_run_tree as with_portal_run_tree,
)

__version__ = "0.1.0"

# All that an import does beside defining names.
_engine.set_explainers(_refusals.explain_no_portal, _refusals.explain_wrong_thread)
_settings.read_environment()
_atexit.register(_engine.close_suspended_portals)
