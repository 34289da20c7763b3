"""Frames of portals that are closed where no Python frame is below them may be kept, and walked."""

# mark: threads

import sys
import threading
import warnings

from support.by_hand import trap

from switchback import _engine, await_


def wait(levels=3):
    if levels:
        return wait(levels - 1)
    try:
        await_(trap())
    finally:
        frames.append(sys._getframe())
        # A level that there is not.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn("far below", stacklevel=100)
        assert len(caught) == 1


def suspend():
    portals = [_engine.open_call_portal(wait, ()) for _ in range(50)]
    for portal in portals:
        portal.send(None)
    return portals


def work():
    # Nothing but the end of the thread drops them: its locals, or else what it has suspended.
    local.portals = suspend()
    of_ended_thread.append(suspend())


frames = []
of_ended_thread = []
local = threading.local()
for _ in range(2):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

assert len(frames) == 200, len(frames)
for frame in frames:
    names = []
    while frame is not None:
        names.append(frame.f_code.co_name)
        assert frame.f_globals["__name__"]
        assert isinstance(frame.f_builtins, dict)
        frame.f_lineno, frame.f_locals, repr(frame)
        frame = frame.f_back
    assert names[:4] == ["wait"] * 4, names
