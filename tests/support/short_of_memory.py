"""What a portal's life consists of, to be tried short of memory: kinds of portals, and checks."""

from __future__ import annotations

import time

from support.by_hand import trap

from switchback import _engine, await_


class Iterator:
    """An awaitable with throw() and close() of its own."""

    def __await__(self):
        return self

    def __next__(self):
        return "trap"

    def send(self, value):
        if value is None:
            return "trap"
        raise StopIteration(value)

    def throw(self, exception):
        raise exception

    def close(self):
        pass


async def coroutine():
    return await trap()


def sync(make=trap):
    try:
        return await_(make())
    finally:
        left[0] = True


async def around_sync():
    return sync()


left = [False]


#: Functions that return portals of all kinds, each of which suspends once.
KINDS = [
    lambda: _engine.open_call_portal(sync, ()),
    lambda: _engine.open_call_portal(sync, (), {"make": coroutine}),
    lambda: _engine.open_call_portal(sync, (Iterator,)),
    lambda: _engine.open_portal(around_sync()),
    lambda: _engine.open_portal(coroutine()),
]


def start(portal):
    assert portal.send(None) == "trap"
    return portal


def finish(portal):
    try:
        portal.send("value")
    except StopIteration as stop:
        assert stop.value == "value", stop.value
        return
    raise AssertionError("the portal has not finished")


def check_next_portals():
    for open_one in KINDS:
        finish(start(open_one()))
        start(open_one()).close()


def check_stacks(of_others=0):
    """No stack is in use or lost: all that there are lie in the pool."""
    deadline = time.monotonic() + 5
    # Up to 3.12, a thread is joined a little before it gives back what is its own.
    while _engine.live_stacks() > of_others + _engine.idle_stacks():
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    live, idle = _engine.live_stacks() - of_others, _engine.idle_stacks()
    assert live == idle, f"{live} live, {idle} idle"
