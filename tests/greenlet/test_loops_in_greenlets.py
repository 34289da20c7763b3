"""Libraries that keep an event loop in a greenlet: it waits there, and is still the running one."""

from __future__ import annotations

import pytest
from support.greenlet_programs import check_program
from support.greenlet_users import copies_stacks, needs

pytestmark = [
    needs("greenlet"),
    copies_stacks,
    pytest.mark.in_child_process,
    pytest.mark.needs_native(reason="elsewhere nothing tells that the loop is another greenlet's"),
]

LIBRARY = """
import greenlet
import trio
from support.by_hand import finish, suspended, trap

class Library:
    '''Sync functions over asyncio, whose loop runs in a greenlet while one of them is called.'''

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        self._greenlet = greenlet.greenlet(self._loop.run_forever)
        return self

    def call(self, async_fn, *args):
        caller = greenlet.getcurrent()
        future = asyncio.run_coroutine_threadsafe(async_fn(*args), self._loop)
        # Never from a step of a task: it would be left waiting in there.
        future.add_done_callback(lambda _: self._loop.call_soon(caller.switch))
        while not future.done():
            self._greenlet.parent = caller
            self._greenlet.switch()
        return future.result()

    def __exit__(self, *error):
        self._loop.call_soon(self._loop.stop)
        self._greenlet.parent = greenlet.getcurrent()
        while not self._greenlet.dead:
            self._greenlet.switch()
        self._loop.close()

async def answer(number):
    await asyncio.sleep(0.001)
    return number
"""


def check(body: str) -> None:
    check_program(body, first=LIBRARY.replace("import greenlet\n", "import asyncio, greenlet\n", 1))


@needs("trio")
def test_a_loop_that_waits_is_nothing_to_the_steps_of_another_library():
    check(
        """
        def work(number):
            for round_ in range(3):
                assert library.call(answer, number) == number
                assert asyncio._get_running_loop() is not None
                await_(trio.sleep(0.001 * (number % 3)))
            return number

        def in_one_portal():
            with Library() as library:
                for number in range(5):
                    assert library.call(answer, number) == number
                    await_(trio.sleep(0))
            assert asyncio._get_running_loop() is None
            await_(trio.sleep(0))

        async def main():
            global library
            await with_portal_run_sync(in_one_portal)
            with Library() as library:
                async with trio.open_nursery() as nursery:
                    for number in range(20):
                        nursery.start_soon(with_portal_run_sync, work, number)
            assert asyncio._get_running_loop() is None
            await with_portal_run_sync(in_one_portal)

        trio.run(main)
        """
    )


def test_by_hand_a_loop_that_waits_is_nothing_to_a_step():
    check(
        """
        def work():
            with Library() as library:
                assert library.call(answer, 1) == 1
                assert await_(trap()) == "sent"
                assert library.call(answer, 2) == 2
            return await_(trap())

        portal = suspended(work)
        portal.send("sent")
        assert asyncio._get_running_loop() is None
        assert finish(portal) is None
        """
    )


@needs("trio")
def test_tasks_of_a_loop_in_a_greenlet_are_still_others():
    check(
        """
        async def suspends():
            try:
                await_(trio.sleep(0))
            except NoPortalError:
                return "refused"

        def work():
            with Library() as library:
                for _ in range(2):
                    assert library.call(suspends) == "refused"
                    await_(trio.sleep(0))

        trio.run(with_portal_run_sync, work)
        """
    )


def test_a_loop_that_takes_the_place_of_the_portals_own_is_refused():
    """What would be awaited there would go to a loop that is not the running one."""
    check(
        """
        from support.libraries import without_running_loop

        def leave_a_loop():
            library.__enter__()
            assert library.call(answer, 1) == 1

        def work():
            with without_running_loop():
                leave_a_loop()
                for _ in range(2):
                    try:
                        await_(asyncio.sleep(0))
                    except NoPortalError:
                        refused.append(True)
                library.__exit__()
                try:
                    await_(asyncio.sleep(0))
                except NoPortalError:
                    refused.append(True)
            return await_(asyncio.sleep(0, "ended"))

        refused, library = [], Library()
        assert asyncio.run(with_portal_run_sync(work)) == "ended"
        assert refused == [True] * 3
        """
    )


@needs("trio")
def test_an_errand_inside_another_loop_leaves_that_in_the_way():
    check(
        """
        def switch():
            assert greenlet.greenlet(lambda: 1).switch() == 1
            try:
                await_(trio.sleep(0))
            except NoPortalError:
                return "refused"

        async def inner():
            # In a callback, which is in no task of the loop.
            done = asyncio.get_running_loop().create_future()
            done.get_loop().call_soon(lambda: done.set_result(switch()))
            return switch(), await done

        def work():
            assert asyncio.run(inner()) == ("refused", "refused")
            await_(trio.sleep(0))

        trio.run(with_portal_run_sync, work)
        """
    )


def test_a_loop_that_an_errand_puts_in_that_place_is_refused():
    check(
        """
        def work():
            own, other = asyncio.get_running_loop(), asyncio.new_event_loop()
            greenlet.greenlet(asyncio._set_running_loop).switch(other)
            try:
                await_(asyncio.sleep(0))
            except NoPortalError:
                refused.append(True)
            asyncio._set_running_loop(own)
            other.close()
            return await_(asyncio.sleep(0, "ended"))

        refused = []
        assert asyncio.run(with_portal_run_sync(work)) == "ended"
        assert refused
        """
    )
