"""What the collector has found is freed, while one of its finalizers is suspended in await_()."""

# mark: needs_native: greenlet moves the stack on which the garbage collector has its lists

import gc

from support.by_hand import trap

from switchback import _engine, await_


class Garbage:
    """One of many that refer to each other; the first to be finalized takes the others along."""

    def __init__(self, all_of_them):
        self.all_of_them = all_of_them

    def __del__(self):
        if not rescued:
            rescued.append(self.all_of_them)
            log.append(await_(trap()))


def collect():
    all_of_them = []
    all_of_them.extend(Garbage(all_of_them) for _ in range(200))
    del all_of_them
    gc.collect()


def at_some_depth(levels, function):
    return at_some_depth(levels - 1, function) if levels else list(map(function, [None]))


rescued = []
log = []
gc.disable()
for levels in (0, 5, 50):
    rescued.clear()
    portal = _engine.open_call_portal(collect, ())
    assert portal.send(None) == "trap"
    # Other code runs, and frees what the collector has in its lists.
    others = [_engine.open_call_portal(await_, (trap(),)) for _ in range(5)]
    for other in others:
        at_some_depth(levels, lambda _, send=other.send: send(None))
    at_some_depth(levels, lambda _: rescued[0].clear())
    for other in others:
        other.close()
    try:
        portal.send("answer")
    except StopIteration:
        pass
    else:
        raise AssertionError("suspended again")
    gc.collect()
assert log == ["answer"] * 3, log
