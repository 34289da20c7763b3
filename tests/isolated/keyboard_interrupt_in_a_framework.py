"""A Ctrl-C that comes while a registered framework is asked for its task is delivered, not lost."""

import os
import signal

from support.by_hand import trap

from switchback import _engine, await_


def current_task():
    calls.append(None)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass


def sync():
    for _ in range(3):
        await_(trap())


# A process that a shell has put into the background ignores the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
calls = []
_engine.add_framework(current_task)
portal = _engine.open_call_portal(sync, ())
try:
    while True:
        portal.send(None)
except KeyboardInterrupt:
    pass
except StopIteration:
    raise AssertionError("the interrupt was lost") from None
assert len(calls) >= 2
