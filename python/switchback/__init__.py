"""Await from synchronous functions, on the event loop that already runs further up the stack."""

import atexit as _atexit

from . import _calls, _cancellation, _engine, _imports, _refusals, _reprs, _settings
from ._engine import NoPortalError as NoPortalError, await_ as await_
from ._exclusive import Exclusive as Exclusive, exclusive as exclusive
from ._frameworks import (
    Framework as Framework,
    register_framework as register_framework,
    watch_imports as _watch_imports,
)
from ._frameworks._asyncio_programs import (
    Runner as Runner,
    callback as callback,
    install_as_nest_asyncio as install_as_nest_asyncio,
    patch_asyncio as patch_asyncio,
    run as run,
    unpatch_asyncio as unpatch_asyncio,
)
from ._frameworks._trio_programs import trio_run as trio_run
from ._frameworks._trio_tree import AutoPortalInstrument as AutoPortalInstrument
from ._greenback import install_as_greenback as install_as_greenback
from ._helpers import (
    async_context as async_context,
    async_iter as async_iter,
    autoawait as autoawait,
    decorate_as_sync as decorate_as_sync,
)
from ._no_await import no_await as no_await
from ._portals import (
    bestow_portal as bestow_portal,
    ensure_portal as ensure_portal,
    has_portal as has_portal,
    with_portal_run as with_portal_run,
    with_portal_run_sync as with_portal_run_sync,
)
from ._settings import (
    BackendInUse as BackendInUse,
    backend_in_use as backend_in_use,
    settings as settings,
)
from ._tree import (
    portals_for_children as portals_for_children,
    portals_for_tree as portals_for_tree,
    with_portal_run_tree as with_portal_run_tree,
)
from ._whole import disable as disable, enable as enable

__version__ = "0.1.0"


def _stackscope_install_glue_() -> None:
    # stackscope calls it before it first looks at a stack.
    from ._stackscope import install_glue

    install_glue()


# All that an import does beside defining names.
_engine.set_explainers(
    _refusals.explain_no_portal, _refusals.explain_wrong_thread, _refusals.explain_not_awaitable
)
_engine.set_cancellation(_cancellation)
_engine.set_link_calls(_calls.link_calls)
_watch_imports()
_imports.install()
_reprs.install()
_settings.read_environment()
_atexit.register(_engine.close_suspended_portals)
