"""cr_await of a portal whose coroutine is suspended in a call shows that, and what it awaits."""

from support.by_hand import trap

from switchback import _engine, await_


class Callable:
    def __call__(self, waits):
        if waits:
            await_(trap())


async def calls(callable_, times):
    # Up to 3.12 a coroutine finds what it awaits by the instruction that follows, and after a call
    # that is a counter, which takes all kinds of values.
    for index in range(times):
        callable_(index == times - 1)


for times in [*range(1, 300), *range(300, 6000, 60)]:
    portal = _engine.open_portal(calls(Callable(), times))
    assert portal.cr_await is None
    portal.send(None)
    assert portal.cr_await.__name__ == "__call__", (times, portal.cr_await)
    assert portal.cr_await.cr_await.__name__ == "trap", (times, portal.cr_await)
    portal.close()
    assert portal.cr_await is None


def look(portals):
    seen.append(portals[0].cr_await)


async def look_and_wait(portals):
    look(portals)
    await trap()


seen = []
portals = []
portals.append(_engine.open_portal(look_and_wait(portals)))
portals[0].send(None)
assert seen == [None]
assert portals[0].cr_await.__name__ == "trap"
portals[0].close()
