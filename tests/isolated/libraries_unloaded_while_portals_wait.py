"""A library is unloaded while portals are suspended whose words it has kept: none is touched."""

# mark: not_under tsan: ThreadSanitizer's own loader takes the thread-locals of new libraries

import tempfile
from _ctypes import dlclose
from pathlib import Path

from support.by_hand import finish, suspended, trap
from support.calls_under_way import build, load, portal_in

from switchback import await_

DIRECTORY = Path(tempfile.mkdtemp())

# The caller's data, on its stack, is noted in another library, which is what is unloaded.
caller = load(build(DIRECTORY / "caller.so", "thread-local"))


def unload_while_suspended(kind, number):
    library = load(build(DIRECTORY / f"{number}.so", kind))
    is_gone = False

    def register():
        library.set_call(caller.get_call())
        await_(trap())
        if not is_gone:
            assert library.get_call() == caller.get_call()
        await_(trap())
        return "done"

    portals = [portal_in(caller, index, register) for index in range(1, 11)]
    assert library.get_call() is None
    for portal in portals:
        portal.send(None)
    assert library.get_call() is None
    dlclose(library._handle)
    is_gone = True
    # Another takes its place.
    other = load(build(DIRECTORY / f"other_{number}.so", kind))
    held = [portal_in(other, index) for index in (1, 2)]
    for portal in reversed(portals):
        assert finish(portal) == ("done", True)
        assert other.under_way() == 0
    assert [finish(portal) for portal in held] == [("done", True)] * 2


for number in range(20):
    unload_while_suspended(
        ["thread-local", "fixed place", "key", "last of many"][number % 4], number
    )

# Loaded and unloaded in a step, over and over.
plain = build(DIRECTORY / "again.so", "thread-local")


def again():
    for _ in range(100):
        library = load(plain)
        assert library.call_back(1, lambda: await_(trap("in"))) == (None, True)
        dlclose(library._handle)
        await_(trap("out"))


portals = [suspended(again) for _ in range(2)]
for _ in range(199):
    for portal in portals:
        portal.send(None)
assert [finish(portal) for portal in portals] == [None, None]
