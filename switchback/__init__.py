"""Await from synchronous functions, on the event loop that already runs further up the stack."""

from . import _backend
from ._engine import NoPortalError as NoPortalError, await_ as await_
from ._frameworks import Framework as Framework, register_framework as register_framework
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
from ._tree import (
    portals_for_children as portals_for_children,
    portals_for_tree as portals_for_tree,
    with_portal_run_tree as with_portal_run_tree,
)
from ._trio_tree import AutoPortalInstrument as AutoPortalInstrument

__version__ = "0.1.0"

#: Which backend portals run on: "auto", "native" or "greenlet". May be set at any time, and counts
#: for portals whose first step begins after that.
backend: str
#: Bytes of address space for the stack of each portal, 10 MiB unless set. Can be set until the
#: first portal begins; to less than that, only from CPython 3.14 on.
stack_size: int
_backend.make_settable(__name__)
del _backend
