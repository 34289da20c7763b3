"""Portals wait in greenlets, and greenlets of portals wait: as threads end, at fork and at exit."""

# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import gc
import os
import subprocess
import sys
import threading
import warnings

from support.by_hand import finish, trap

try:
    import greenlet
except ImportError:
    print("needs greenlet")
    sys.exit(77)

import switchback
from switchback import _engine, await_

warnings.simplefilter("ignore", DeprecationWarning)  # fork() in a process with threads


def note(name):
    # Not print(): also when the module's globals are being dropped.
    os.write(1, f"finally {name}\n".encode())


def wait(name):
    try:
        return await_(trap())
    finally:
        note(name)


def wait_for_nobody(name):
    try:
        greenlet.getcurrent().parent.switch()
    finally:
        note(name)


def in_greenlet(function, *args):
    return greenlet.greenlet(function).switch(*args)


def nested(level):
    if level:
        return in_greenlet(nested, level - 1)
    return sorted([1], key=lambda _: wait("nested") or 0)


def starts_one(box):
    box.append(greenlet.greenlet(wait_for_nobody))
    box[0].switch("left")
    await_(trap())


def suspended(function, *args):
    portal = _engine.open_call_portal(function, args)
    assert portal.send(None) == "trap"
    return portal


def all_of_them(box):
    return [
        suspended(in_greenlet, wait, "in a greenlet"),
        suspended(nested, 4),
        suspended(starts_one, box),
    ]


OF_PORTALS = ["finally in a greenlet", "finally nested"]
LEFT = "finally left"


def end_of_a_thread():
    """What waits in await_() is closed. greenlet kills its own ones, at an opportunity or never."""
    box = []
    kept = []

    def run():
        kept.extend(all_of_them(box))
        box.clear()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for portal in kept:
        try:
            portal.send(None)
        except RuntimeError as error:
            assert "cannot reuse already awaited coroutine" in str(error), error
        else:
            raise AssertionError("not closed")


def fork():
    """Both processes go on with what waits; the fork is done in a greenlet of a portal."""

    def forks():
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 5
        assert await_(trap()) is None
        return child

    box = []
    kept = all_of_them(box)
    portal = _engine.open_call_portal(in_greenlet, (forks,))
    portal.send(None)
    child = finish(portal)
    for other in kept:
        finish(other)
    kept.clear()
    box.clear()
    gc.collect()
    if child == 0:
        os._exit(5)


def at_exit():
    global held
    box = []
    held = [*all_of_them(box), box]


def exit_inside():
    global held
    box = []
    held = [*all_of_them(box), box]
    held.append(_engine.open_call_portal(in_greenlet, (sys.exit, 3)))
    held[-1].send(None)


WAYS = {function.__name__: function for function in (end_of_a_thread, fork, at_exit, exit_inside)}
if sys.argv[1:]:
    switchback.settings.backend = sys.argv[2]
    WAYS[sys.argv[1]]()
    sys.exit()

backends = ["greenlet"] if _engine.native_obstacle() else ["native", "greenlet"]
for way in WAYS:
    for backend in backends:
        child = subprocess.run(
            [sys.executable, "-X", "faulthandler", __file__, way, backend],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # What greenlet kills at exit is its own affair.
        count = 2 if way == "fork" else 1
        of_portals = sorted(line for line in child.stdout.splitlines() if line != LEFT)
        assert child.returncode == (3 if way == "exit_inside" else 0), (way, backend, child)
        assert of_portals == sorted(OF_PORTALS * count), (way, backend, child)
        if way in ("fork", "end_of_a_thread"):
            assert child.stdout.count(LEFT) == count, (way, backend, child)
