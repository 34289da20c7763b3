"""What runs while a fiber is made for a step, as a finalizer, cannot end the portal underneath."""

import gc

from support.by_hand import trap

from switchback import _engine, await_


class Finalizer:
    def __init__(self, end):
        self.end = end
        self.itself = self

    def __del__(self):
        try:
            self.end()
        except BaseException as error:
            errors.append(f"{type(error).__name__}: {error}")


def run(number):
    ran.append(number)
    return await_(trap())


async def run_natively(number):
    return run(number)


gc.disable()
errors = []
kept = []  # so that each step needs a new fiber
makes = [
    lambda: _engine.open_call_portal(run, (1,)),
    lambda: _engine.open_portal(run_natively(1)),
]
ends = [
    lambda portal: portal.close,
    lambda portal: lambda: portal.throw(KeyError),
    lambda portal: lambda: portal.send(None),
]
for make in makes:
    for end in ends:
        ran = []
        portal = make()
        kept.append(portal)
        Finalizer(end(portal))
        # Up to 3.11 the collection comes with the next object, from 3.12 on in Python code only.
        gc.set_threshold(1)
        gc.enable()
        try:
            outcome = portal.send(None)
        except (RuntimeError, StopIteration, KeyError) as error:
            outcome = str(error)
        gc.disable()
        gc.collect()
        assert outcome in ("trap", "cannot reuse already awaited coroutine", ""), outcome
        assert ran == ([1] if outcome == "trap" else []), (outcome, ran)
for error in errors:
    assert "already executing" in error or "KeyError" in error, errors
