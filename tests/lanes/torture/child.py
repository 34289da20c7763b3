"""Runs one module of CPython's test suite, outside or inside of a portal; records the outcomes.

Usage: child.py MODULE WHERE RECORD. WHERE is one of

outside     No portal.
portal      In a portal that is suspended before and after each test and each passing subtest. Its
            runner steps other portals meanwhile, which stay suspended themselves.
preempted   In a portal that signals suspend as well, wherever the interpreter looks for them: at
            each call of a Python function and each turn of a loop.

Where SWITCHBACK_TEST_BESIDE is greenlet, that has been imported before.

RECORD is a file for the test's id and its outcome, a line each, written as they come: a test that
takes the process down is the last one to have started.
"""

from __future__ import annotations

import _thread
import faulthandler
import functools
import itertools
import json
import operator
import os
import signal
import sys
import tempfile
import types
import unittest

#: What the portal's runner is sent, which is the signal that suspends the portal as well.
TRAP = signal.SIGVTALRM


class Recorder(unittest.TestResult):
    """Writes down what becomes of each test, and calls `checkpoint` in between."""

    def __init__(self, record, checkpoint):
        super().__init__()
        self._record = record
        self._checkpoint = checkpoint
        self._pid = os.getpid()

    def write(self, event, test=None):
        # Not in a child process that a test has forked.
        if os.getpid() == self._pid:
            line = json.dumps([event if isinstance(event, int) else str(event), test and test.id()])
            os.write(self._record, line.encode() + b"\n")

    def startTest(self, test):
        self.write("start", test)
        self._checkpoint()

    def stopTest(self, test):
        self._checkpoint()

    def addSuccess(self, test):
        self.write("ok", test)

    def addSkip(self, test, reason):
        self.write("skip", test)

    def addExpectedFailure(self, test, error):
        self.write("expected failure", test)

    def addUnexpectedSuccess(self, test):
        self.write("unexpected success", test)

    def addFailure(self, test, error):
        self._add("fail", test, error)

    def addError(self, test, error):
        self._add("error", test, error)

    def addSubTest(self, test, subtest, error):
        if error is None:
            self._checkpoint()
        else:
            self._add(
                "fail" if issubclass(error[0], test.failureException) else "error", test, error
            )

    def _add(self, event, test, error):
        self.write(event, test)
        print(f"{event.upper()}: {test.id()}\n{self._exc_info_to_string(error, test)}", flush=True)


def run(module, recorder):
    """Runs the tests of a module as CPython's own runner does, without the optional resources."""
    from test import support
    from test.support import os_helper, threading_helper

    # None would mean every resource.
    support.use_resources = []
    threads = threading_helper.threading_setup()
    with tempfile.TemporaryDirectory() as directory, os_helper.change_cwd(directory):
        suite = unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")
        suite.run(recorder)
    threading_helper.threading_cleanup(*threads)


@types.coroutine
def suspend():
    yield TRAP


def keep_busy(depth):
    """Work for another portal: goes deep, fails there, and is suspended while it handles that."""
    from switchback import await_

    try:
        if depth == 0:
            await_(suspend())
            raise KeyError(depth)
        # Through C code, so that there are frames of that on the stack.
        next(map(keep_busy, [depth - 1]))
    except KeyError as error:
        await_(suspend())
        assert sys.exc_info()[1] is error
        raise


async def others():
    """Has other portals run and be suspended, one step a send()."""
    from switchback import with_portal_run_sync

    for turn in itertools.count():
        try:
            await with_portal_run_sync(keep_busy, turn * 7 % 40)
        except KeyError:
            assert sys.exc_info()[2] is not None


def drive(coroutine):
    """A coroutine runner that gives other portals a step between two steps of this one."""
    rivals = [others() for _ in range(3)]
    for turn in itertools.count():
        try:
            assert coroutine.send(None) is TRAP
        except StopIteration:
            break
        assert rivals[turn % 3].send(None) is TRAP
    for rival in rivals:
        rival.close()
    return turn


def run_preempted(module, recorder):
    """Runs the tests in a portal that signals suspend.

    Neither the handler nor the runner has Python frames, so tests that trace or count see none.
    """
    from switchback import _engine, await_

    # One iterator an interruption, of one trap or, where a test runs an event loop, of none.
    portals = map(operator.call, itertools.repeat(_engine.has_active_portal))
    iterators = map(itertools.repeat, itertools.repeat(TRAP), portals)

    class Interruption:
        __await__ = staticmethod(functools.partial(next, iterators))
        awaited = property(await_)

    # A format ignores the arguments that it has no use for, such as those of a handler. The name of
    # what is awaited makes it a string already: repr() would look for signals once more.
    handler = "{.awaited.__class__.__name__}".format
    signal.signal(TRAP, functools.partial(handler, Interruption()))
    # Begins anew what ended where a test's own event loop ran.
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.001, 0.001)

    def run_and_stop():
        try:
            run(module, recorder)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(TRAP, "".format)

    # While the portal is suspended, the next signal is made to wait for it.
    reactions = [_thread.interrupt_main] * 64
    if sys.version_info < (3, 12):
        # Where a function is traced, this minor runs nothing of it before all signals are handled.
        reactions.append(int)
    portal = _engine.open_call_portal(run_and_stop, ())
    steps = map(operator.call, itertools.cycle(reactions), portal)
    return sum(map(operator.is_not, steps, itertools.repeat(portal)))


def main(module, where, record):
    faulthandler.enable()
    if os.environ.get("SWITCHBACK_TEST_BESIDE") == "greenlet":
        import greenlet  # noqa: F401
    # A process that a shell has put into the background ignores the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(record, "wb", buffering=0) as file:
        if where == "outside":
            recorder = Recorder(file.fileno(), lambda: None)
            run(module, recorder)
            suspensions = 0
        else:
            from switchback import _engine, await_, with_portal_run_sync

            recursion_limit = sys.getrecursionlimit()

            def checkpoint():
                # A subtest may be in another thread, in a test's own event loop, or under a limit
                # of recursion that is too low for the rivals.
                if _engine.has_active_portal() and sys.getrecursionlimit() >= recursion_limit:
                    await_(suspend())

            recorder = Recorder(file.fileno(), checkpoint)
            if where == "portal":
                suspensions = drive(with_portal_run_sync(run, module, recorder))
            else:
                suspensions = run_preempted(module, recorder)
        recorder.write(suspensions)


if __name__ == "__main__":
    main(*sys.argv[1:])
