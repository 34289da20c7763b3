"""cr_await of a portal whose await_() a foreign greenlet has ended shows nothing that is freed."""

# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import gc
import sys
import types

try:
    import greenlet
except ImportError:
    print("needs greenlet")
    sys.exit(77)

import switchback
from switchback import _engine, await_

switchback.settings.backend = "greenlet"


class Awaitable:
    def __await__(self):
        yield greenlet.getcurrent()


def refused():
    try:
        await_(Awaitable())
    except RuntimeError as error:
        assert "greenlet" in str(error), error
        greenlet.getcurrent().parent.switch("refused")
    return "returned"


portal = _engine.open_call_portal(refused, ())
waiting = portal.send(None)
assert portal.cr_await is not None
assert waiting.switch() == "refused"
gc.collect()
fillers = [types.SimpleNamespace(number=number) for number in range(1000)]
assert portal.cr_await is None, portal.cr_await
assert repr(portal)
gc.collect()
del portal, waiting
