"""What runs while the engine looks for a framework may step portals, and import the framework."""

# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import asyncio
import sys
import types

from support.by_hand import trap

import switchback
from switchback import _engine, await_

switchback.settings.backend = "auto"


class Module(types.ModuleType):
    """Calls a function when it is first asked for an attribute, and never has it."""

    def __init__(self, name, attribute, function):
        super().__init__(name)
        self.attribute, self.function = attribute, function

    def __getattr__(self, name):
        if name == self.attribute and self.function is not None:
            function, self.function = self.function, None
            function()
        raise AttributeError(name)


def modules_of(package):
    return {
        name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == package
    }


def take_a_step():
    async def main():
        await_(trap())

    portal = _engine.open_portal(main())
    portal.send(None)
    try:
        portal.send(None)
    except StopIteration:
        pass


def asyncio_found_by_an_inner_search():
    saved = modules_of("asyncio")

    def put_back():
        sys.modules.update(saved)
        take_a_step()

    sys.modules["asyncio.events"] = Module("asyncio.events", "_get_running_loop", put_back)
    take_a_step()
    assert sys.modules["asyncio.events"] is asyncio.events

    async def main():
        take_a_step()

    asyncio.run(main())


def greenlet_found_while_a_step_ends():
    if "greenlet" in sys.modules:
        return  # SWITCHBACK_BACKEND has had it imported
    try:
        import greenlet  # noqa: F401
    except ImportError:
        return
    saved = modules_of("greenlet")
    inner = []

    def put_back():
        sys.modules.update(saved)
        try:
            inner.append(portal.send(None))
        except ValueError as error:
            inner.append(str(error))

    async def main():
        sys.modules["greenlet"] = Module("greenlet", "getcurrent", put_back)
        for number in range(3):
            await trap(number)

    portal = _engine.open_portal(main())
    assert [portal.send(None) for _ in range(3)] == [0, 1, 2]
    assert inner == ["coroutine already executing"], inner
    try:
        portal.send(None)
    except StopIteration:
        return
    raise AssertionError("the coroutine has not ended")


asyncio_found_by_an_inner_search()
greenlet_found_while_a_step_ends()
