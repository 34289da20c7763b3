"""What was sent or thrown is kept alive for the C code that a suspended step has handed it to."""

import gc
import weakref

from support.by_hand import trap

from switchback import _engine, await_


class Suspends:
    def __eq__(self, other):
        await_(trap())
        return False

    __hash__ = None


class Sent:
    def __eq__(self, other):
        compared.append(other)
        return False

    __hash__ = None


class Iterator:
    """Its send() compares what it is sent, in C, with items that suspend."""

    def __init__(self):
        self.send = [Suspends(), 1.5, Suspends(), "text"].count

    def __await__(self):
        return self

    def __next__(self):
        return "first"


compared = []
portal = _engine.open_portal(Iterator())
assert portal.send(None) == "first"
sent = Sent()
reference = weakref.ref(sent)
assert portal.send(sent) == "trap"
del sent
gc.collect()
filler = [bytearray(40) for _ in range(20_000)]
assert reference() is not None
assert portal.send(None) == "trap"
assert compared == [1.5], compared
assert portal.send(None) == 0  # the count, which the iterator yields
assert compared == [1.5, "text"], compared
assert reference() is None


class Thrower(Iterator):
    """Its throw() does the same with the exception."""

    def __init__(self):
        self.throw = [Suspends(), 1.5, Suspends()].count


class Thrown(Exception):
    pass


portal = _engine.open_portal(Thrower())
assert portal.send(None) == "first"
thrown = Thrown()
reference = weakref.ref(thrown)
assert portal.throw(thrown) == "trap"
del thrown
gc.collect()
assert reference() is not None
assert portal.send(None) == "trap"
assert portal.send(None) == 0
assert reference() is None
