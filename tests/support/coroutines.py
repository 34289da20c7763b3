"""Coroutines that return, fail, or tell how far they got."""


class CustomError(Exception):
    pass


async def give(library, value):
    await library.checkpoint()
    return value


async def fail(library, error):
    await library.checkpoint()
    raise error


async def fail_at_once(error):
    raise error


async def never():
    raise AssertionError("this was to be refused")


class Probe:
    """An awaitable of which one can ask how far it got, and whether it was closed."""

    def __init__(self, trap):
        self.started = self.closed = False
        self._trap = trap

    async def coroutine(self):
        self.started = True
        try:
            await self._trap
        except GeneratorExit:
            self.closed = True
            raise
