"""A portal takes its first step where no Python frame is below: what it calls finds builtins."""

import _thread
import sys

from switchback import _engine

# A finished portal is a StopIteration in the thread, which nothing catches.
sys.unraisablehook = lambda unraisable: ended.append(unraisable.exc_type)
ended = []


def step_in_bare_thread(function, code, namespace):
    """Have a new thread take a step of a portal around a C function, and do nothing else."""
    done = _thread.allocate_lock()
    done.acquire()
    namespace["done"] = done
    portal = _engine.open_call_portal(function, (f"{code}, done.release()", namespace), {})
    _thread.start_new_thread(portal.send, (None,))
    assert done.acquire(timeout=30), "the step has not come to its end"


for function in eval, exec:
    for _ in range(3):  # each thread has fresh stacks, and what is kept for all is asked for once
        noted = []
        step_in_bare_thread(function, "noted.append(len([1]))", {"noted": noted})
        assert noted == [1], (function, noted)

noted = []
step_in_bare_thread(exec, "noted.append(__import__('colorsys').__name__)", {"noted": noted})
assert noted == ["colorsys"]
