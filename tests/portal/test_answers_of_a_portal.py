"""What a portal answers where a coroutine is asked: the table of docs/tools.md, row by row."""

from __future__ import annotations

import asyncio
import collections.abc
import inspect
import types

import pytest

from switchback import _engine, await_


class Waits:
    def __await__(self):
        yield


async def leaf():
    await Waits()


async def natively(look):
    look()
    await leaf()
    await leaf()


async def in_calls(look):
    look()
    await_(leaf())
    await_(leaf())


LOOKS = {
    "inspect.getcoroutinestate": inspect.getcoroutinestate,
    "inspect.iscoroutine": inspect.iscoroutine,
    "isinstance of types.CoroutineType": lambda one: isinstance(one, types.CoroutineType),
    "isinstance of collections.abc.Coroutine": lambda one: isinstance(
        one, collections.abc.Coroutine
    ),
    "inspect.isawaitable": inspect.isawaitable,
    "asyncio.iscoroutine": asyncio.iscoroutine,
    "cr_frame": lambda one: one.cr_frame and one.cr_frame.f_code.co_flags,
    "cr_code": lambda one: type(one.cr_code),
    "cr_running": lambda one: one.cr_running,
    "cr_suspended": lambda one: one.cr_suspended,
    "cr_await": lambda one: getattr(one.cr_await, "__name__", None),
    "cr_origin": lambda one: one.cr_origin,
    "__name__": lambda one: one.__name__.replace("in_calls", "natively"),
    "type of send, throw, close": lambda one: [callable(one.send), callable(one.close)],
}

#: What a portal answers otherwise than a coroutine.
OTHERWISE = {
    "inspect.iscoroutine": [False] * 4,
    "isinstance of types.CoroutineType": [False] * 4,
}


def answers(portal_or_not, look):
    """Return the answers before the first step, in it, after it, and after the end."""
    found = []
    one = portal_or_not(lambda: found.append(look(one)))
    found.append(look(one))
    one.send(None)
    found.append(look(one))
    one.close()
    found.append(look(one))
    return found


@pytest.mark.parametrize("row", LOOKS)
@pytest.mark.parametrize("function", [natively, in_calls])
def test_a_portal_answers_as_a_coroutine_does_or_as_the_table_says(row, function):
    native = answers(natively, LOOKS[row])
    found = answers(lambda look: _engine.open_portal(function(look)), LOOKS[row])
    assert found == OTHERWISE.get(row, native)


def test_what_is_in_a_task_is_the_users_coroutine_until_it_is_a_portal():
    async def main():
        coroutine = asyncio.current_task().get_coro()
        assert inspect.iscoroutine(coroutine)
        from switchback import ensure_portal

        await ensure_portal()
        portal = asyncio.current_task().get_coro()
        assert asyncio.iscoroutine(portal)
        assert portal.cr_code is coroutine.cr_code
        assert portal.__qualname__ == coroutine.__qualname__

    asyncio.run(main())
