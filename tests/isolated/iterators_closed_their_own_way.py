"""Closing a portal around an awaitable that is not a coroutine closes it as `await` does."""

import types

from switchback import _engine


class Closable:
    def __init__(self):
        self.log = []

    def __await__(self):
        return self

    def __next__(self):
        return 1

    def close(self):
        self.log.append("close")


class Throwable(Closable):
    def throw(self, *exception):
        self.log.append("throw")
        raise exception[0]


class Bare:
    log = ()

    def __await__(self):
        return self

    def __next__(self):
        return 1


class FailsToClose(Closable):
    def close(self):
        raise KeyError("close")


async def awaiting(awaitable):
    await awaitable


def close(make, wrap):
    awaitable = make()
    coroutine = awaiting(wrap(awaitable))
    coroutine.send(None)
    try:
        coroutine.close()
    except KeyError as error:
        return repr(error)
    return list(awaitable.log)


@types.coroutine
def generator():
    try:
        yield
    finally:
        log.append("finally")


for make in (Closable, Throwable, Bare, FailsToClose):
    native, in_portal = close(make, lambda it: it), close(make, _engine.open_portal)
    assert in_portal == native, (make, in_portal, native)

log = []
portal = _engine.open_portal(generator())
portal.send(None)
portal.close()
assert log == ["finally"]
