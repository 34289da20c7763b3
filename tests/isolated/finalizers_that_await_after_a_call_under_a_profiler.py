"""A finalizer awaits while a C call drops its arguments, and a profiler is told of C calls."""

import gc
import sys

from support.by_hand import trap

from switchback import _engine, await_

events = []
finalized = 0


class Finalized:
    def __del__(self):
        global finalized
        await_(trap())
        finalized += 1


def function():
    # The arguments are gone when the finalizers run, but not the place where they were.
    for _ in range(50):
        len([Finalized()])
        sorted([Finalized()], key=id)
        [1].append(Finalized())
        max([Finalized()], *[[]], key=len)
        gc.collect()


def main():
    portal = _engine.open_call_portal(function, ())
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        for _ in range(10_000):
            portal.send(None)
    except StopIteration:
        pass
    finally:
        sys.setprofile(None)


main()
gc.collect()
assert finalized > 0
assert events.count("c_call") > 2
print("ok", finalized)
