"""Objects that can be awaited, and what comes of a coroutine that is driven by hand."""


def outcome_of(coroutine, *messages):
    """Drive a coroutine by hand; what it yields, and how it ends."""
    log = []
    messages = list(messages)
    step, argument = coroutine.send, None
    while True:
        try:
            log.append(("yields", step(argument)))
        except StopIteration as stop:
            log.append(("returns", stop.value))
            return log
        except BaseException as error:
            log.append(("raises", type(error), str(error)))
            return log
        if not messages:
            coroutine.close()
            log.append("closed")
            return log
        argument = messages.pop(0)
        step = coroutine.throw if isinstance(argument, BaseException) else coroutine.send


class ByGenerator:
    def __await__(self):
        try:
            got = yield "first"
        except KeyError:
            got = "caught"
        return got, (yield "second")


class Returning:
    def __init__(self, returned):
        self.returned = returned

    def __await__(self):
        return self.returned
