"""A context variable that tests share, and awaitables that set it or wait by hand."""

import contextvars

variable = contextvars.ContextVar("variable", default="default")


class Trap:
    def __await__(self):
        return (yield)


async def set_it(library, value):
    await library.checkpoint()
    variable.set(value)
    await library.checkpoint()
