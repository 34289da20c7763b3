"""After a fork in a portal, the child and the parent both go on: in it, and with all others."""

# mark: not_under tsan: it sees no order in the child of a process with threads

import os
import sys
import threading
import warnings

from support.by_hand import trap

from switchback import _engine, await_

warnings.simplefilter("ignore", DeprecationWarning)  # fork() in a process with threads


def wait(name, levels=0):
    if levels:
        return wait(name, levels - 1)
    try:
        return await_(trap())
    finally:
        log.append(name)


def fork(levels):
    if levels:
        return fork(levels - 1)
    await_(trap())
    child = os.fork()
    # Both processes: the next step comes from outside of the portal.
    assert await_(trap()) == "on"
    portal = _engine.open_call_portal(wait, ("inner",))
    assert portal.send(None) == "trap"
    portal.close()
    return child


async def fork_in_a_coroutine():
    return fork(50)


def start(portal):
    assert portal.send(None) == "trap"
    return portal


def result_of(portal, value):
    try:
        portal.send(value)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("suspended again")


def hold_in_a_thread():
    of_another_thread.append(start(_engine.open_call_portal(wait, ("other",))))
    ready.set()
    go.wait()


log = []
of_another_thread = []
ready, go = threading.Event(), threading.Event()
thread = threading.Thread(target=hold_in_a_thread)
thread.start()
ready.wait()

others = [start(_engine.open_call_portal(wait, (number, number * 20))) for number in range(5)]
forking = start(_engine.open_portal(fork_in_a_coroutine()))
assert forking.send(None) == "trap"
child = result_of(forking, "on")
assert log == ["inner"], log
# Some are ended, one is closed, one dropped, and one is left to the end of the process.
assert [result_of(portal, "value") for portal in others[:2]] == ["value"] * 2
others[2].close()
del others[3]
assert log == ["inner", 0, 1, 2, 3], log
assert start(_engine.open_call_portal(wait, ("new",))).close() is None

if child:
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 5, status
    assert result_of(others[3], "parent") == "parent"
    go.set()
    thread.join()
else:
    # The thread that this portal belongs to is not in this process.
    for step in (lambda: of_another_thread[0].send(None), of_another_thread[0].close):
        try:
            step()
        except RuntimeError as error:
            assert "which has ended" in str(error), error
        else:
            raise AssertionError("resumed without its thread")
    of_another_thread.clear()
    sys.exit(5)
