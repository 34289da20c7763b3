"""A Context.run() that is left in a step under another context comes back to that context."""

# mark: chooses_native: changes how contexts are linked, of which the layout is not known elsewhere

import contextvars

from support.by_hand import trap

from switchback import _engine, await_

number = contextvars.ContextVar("number")


def sync():
    seen.append(number.get())
    contextvars.copy_context().run(nested)
    seen.append(number.get())
    await_(trap())
    seen.append(number.get())


def nested():
    number.set("inside")
    await_(trap())
    seen.append(number.get())
    contextvars.copy_context().run(await_, trap())
    seen.append(number.get())


seen = []
contexts = [contextvars.copy_context() for _ in range(4)]
for index, context in enumerate(contexts):
    context.run(number.set, index)
portal = _engine.open_call_portal(sync, ())
for context in contexts:
    try:
        context.run(portal.send, None)
    except StopIteration:
        pass
assert seen == [0, "inside", "inside", 2, 3], seen
assert number.get(None) is None
