"""A step that the coroutine refuses, as it does without a portal, leaves the portal usable."""

import asyncio

from support.by_hand import trap

from switchback import _engine, bestow_portal, has_portal


async def coroutine():
    return await trap()


def refused(exception, function, *args):
    try:
        function(*args)
    except exception as error:
        return str(error)
    raise AssertionError(f"no {exception.__name__}")


def start_with_a_value(coroutine):
    message = refused(TypeError, coroutine.send, 1)
    assert coroutine.send(None) == "trap"
    coroutine.close()
    return message


native = start_with_a_value(coroutine())
assert start_with_a_value(_engine.open_portal(coroutine())) == native


async def closing_itself(make_portal):
    task = asyncio.current_task()
    if make_portal:
        bestow_portal(task)
    messages = [
        refused(ValueError, task.get_coro().close),
        refused(ValueError, task.get_coro().throw, KeyError()),
        refused(ValueError, task.get_coro().send, None),
    ]
    await asyncio.sleep(0)
    assert has_portal() == make_portal
    messages.append(refused(ValueError, task.get_coro().close))
    await asyncio.sleep(0)
    return messages


assert asyncio.run(closing_itself(True)) == asyncio.run(closing_itself(False))
