"""A portal that its finalizer has brought back, and that another thread drops, dangles nowhere."""

import gc
import sys
import threading
import weakref

from support.by_hand import trap

from switchback import _engine, await_


def keep_itself():
    for _ in range(4):
        try:
            await_(trap())
        except GeneratorExit:
            if not kept:
                kept.append(reference())
    log.append("gave in")


sys.unraisablehook = lambda unraisable: reported.append(str(unraisable.exc_value))
reported = []
kept = []
log = []
portal = _engine.open_call_portal(keep_itself, ())
reference = weakref.ref(portal)
portal.send(None)
del portal
assert len(kept) == 1
thread = threading.Thread(target=kept.clear)
thread.start()
thread.join()
gc.collect()
filler = [_engine.open_call_portal(len, ()) for _ in range(10)]
del filler
filler = [bytearray(200) for _ in range(1000)]
_engine.close_suspended_portals()
for _ in range(3):
    other = _engine.open_call_portal(len, ("abc",))
    try:
        other.send(None)
    except StopIteration as stop:
        assert stop.value == 3
_engine.close_suspended_portals()
assert set(reported) <= {"coroutine ignored GeneratorExit"}, reported
