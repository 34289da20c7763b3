"""autoawait and decorate_as_sync."""

import contextlib
import functools
import inspect

import pytest

from switchback import (
    NoPortalError,
    autoawait,
    decorate_as_sync,
    with_portal_run_sync,
)


def test_autoawait_makes_a_synchronous_function(library):
    @autoawait
    async def add(first, *, second):
        await library.checkpoint()
        return first + second

    assert not inspect.iscoroutinefunction(add)
    assert library.run(with_portal_run_sync, lambda: add(1, second=2)) == 3


def test_autoawait_raises_what_the_function_raises(library):
    @autoawait
    async def fail():
        await library.checkpoint()
        raise KeyError("x")

    def run():
        with pytest.raises(KeyError):
            fail()
        return "went on"

    assert library.run(with_portal_run_sync, run) == "went on"


def test_autoawait_makes_methods_and_properties(library):
    class Thing:
        @autoawait
        async def method(self, value):
            await library.checkpoint()
            return self, value

        @property
        @autoawait
        async def value(self):
            await library.checkpoint()
            return "value"

        @classmethod
        @autoawait
        async def make(cls):
            return cls

    def run():
        thing = Thing()
        assert thing.method(1) == (thing, 1)
        assert Thing.make() is Thing
        return thing.value

    assert library.run(with_portal_run_sync, run) == "value"


def test_autoawait_keeps_the_metadata_of_the_function():
    async def documented(value: int) -> int:
        """Its documentation."""
        return value

    documented.attribute = "kept"
    made = autoawait(documented)
    assert made.__name__ == "documented"
    assert made.__qualname__ == documented.__qualname__
    assert made.__doc__ == "Its documentation."
    assert made.__module__ == __name__
    assert made.__wrapped__ is documented
    assert made.attribute == "kept"
    assert inspect.signature(made) == inspect.signature(documented)


def test_autoawait_takes_a_function_that_returns_any_awaitable(library):
    def give_awaitable(value):
        async def give():
            await library.checkpoint()
            return value

        return give()

    assert library.run(with_portal_run_sync, autoawait(give_awaitable), "result") == "result"


def test_autoawait_outside_of_a_portal_is_an_error():
    @autoawait
    async def nothing():
        pass

    with pytest.raises(NoPortalError):
        nothing()


# decorate_as_sync


def test_a_decorator_of_synchronous_functions_serves_an_async_one(library):
    calls = []

    @decorate_as_sync(functools.lru_cache(maxsize=None))
    async def look_up(key):
        await library.checkpoint()
        calls.append(key)
        return key * 2

    async def main():
        return [await look_up(key) for key in (1, 2, 1)]

    assert library.run(main) == [2, 4, 2]
    assert calls == [1, 2]


def test_what_the_decorator_returned_is_reachable(library):
    @decorate_as_sync(functools.lru_cache(maxsize=None))
    async def look_up(key):
        return key

    async def main():
        await look_up(1)
        await look_up(1)

    library.run(main)
    assert look_up.__wrapped__.cache_info().hits == 1
    assert look_up.__name__ == "look_up"
    assert inspect.iscoroutinefunction(look_up)


def test_a_decorator_around_the_call_sees_exceptions(library):
    def retry(function):
        @functools.wraps(function)
        def retrying():
            for _ in range(2):
                with contextlib.suppress(KeyError):
                    return function()
            return function()

        return retrying

    attempts = []

    @decorate_as_sync(retry)
    async def unreliable():
        await library.checkpoint()
        attempts.append(1)
        if len(attempts) < 3:
            raise KeyError
        return len(attempts)

    assert library.run(unreliable) == 3


def test_a_context_manager_serves_as_decorator(library):
    log = []

    @contextlib.contextmanager
    def managed():
        log.append("enter")
        try:
            yield
        finally:
            log.append("exit")

    @decorate_as_sync(managed())
    async def work():
        log.append("before")
        await library.checkpoint()
        log.append("after")

    library.run(work)
    assert log == ["enter", "before", "after", "exit"]


def test_a_decorated_method(library):
    def double(function):
        return functools.wraps(function)(lambda *args: function(*args) * 2)

    class Thing:
        @decorate_as_sync(double)
        async def method(self, value):
            await library.checkpoint()
            return value

    assert library.run(Thing().method, 2) == 4
