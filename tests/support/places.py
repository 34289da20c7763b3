"""Awaits in many tasks at once from one place: see tests/fiber/test_places_in_the_library.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.libraries import Library

from switchback import await_, with_portal_run_sync

TASKS = 20

Place = Callable[[Callable[[Any], Any], int], Any]


class Places(list[Place]):
    """The places of a file; a decorator that adds a function to them."""

    def __call__(self, function: Place) -> Place:
        self.append(function)
        return function


def check_await_works(library: Library, function: Place) -> None:
    """Run ``function(wait, number)`` in each task; it calls `wait` and returns the number."""
    waiting = 0
    most_waiting = 0
    order = []

    def run(number: int) -> Any:
        def wait(value: Any) -> Any:
            nonlocal waiting, most_waiting
            waiting += 1
            most_waiting = max(waiting, most_waiting)
            await_(library.sleep((number * 7 % 5) / 4000))
            waiting -= 1
            return value

        result = function(wait, number)
        order.append(number)
        return result

    async def main() -> list[Any]:
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(TASKS)]
        return await library.gather(*calls)

    assert library.run(main) == list(range(TASKS))
    assert most_waiting > 1
    assert order != sorted(order)
