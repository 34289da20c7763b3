"""The frame that C code finds at the bottom of a portal may be kept longer than its stack."""

# mark: needs_native: greenlet hides the frames below a greenlet from those in it

import gc
import sys
import threading

from switchback import _engine

if hasattr(sys, "gettotalrefcount"):
    print("a debug build asserts that no C code gets at an incomplete frame")
    sys.exit(77)
frames = []


def look():
    for _ in range(3):
        portal = _engine.open_call_portal(sys._getframe, ())
        try:
            portal.send(None)
        except StopIteration as stop:
            frames.append(stop.value)


look()
thread = threading.Thread(target=look)  # its stacks are unmapped when it ends
thread.start()
thread.join()
look()
for frame in frames:
    frame.f_lineno
    frame.f_locals
    frame.f_globals
    frame.f_builtins
    assert frame.f_code.co_name == "<portal>"
    assert frame.f_back is None or frame.f_back.f_code is not None
    repr(frame)
    frame.clear()
gc.collect()
del frame
frames.clear()
gc.collect()
look()
