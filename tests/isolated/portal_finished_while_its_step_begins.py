"""A portal that is finished by code that runs as its next step begins is not run a second time."""

import threading

from support.by_hand import trap

from switchback import _engine, await_


def run_the_other():
    try:
        await_(trap())
    finally:
        try:
            other.send(None)
        except StopIteration:
            log.append("finished early")


log = []
other = _engine.open_call_portal(log.append, ("ran",))
portal = _engine.open_call_portal(run_the_other, ())
portal.send(None)
box = [portal]
del portal
# Dropped in another thread, it is closed here when the next step of any portal begins.
thread = threading.Thread(target=box.clear)
thread.start()
thread.join()
assert log == []
try:
    other.send(None)
except RuntimeError as error:
    assert str(error) == "cannot reuse already awaited coroutine", error
else:
    raise AssertionError("a finished portal has taken a step")
assert log == ["ran", "finished early"], log
