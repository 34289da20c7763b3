"""await_() in eventlet's greenlets, whose parent is the hub that all portals share."""

from __future__ import annotations

import textwrap

import pytest
from support.children import check_code
from support.greenlet_users import copies_stacks, needs

pytestmark = [copies_stacks, needs("eventlet"), pytest.mark.in_child_process]

#: Each is called by 50 portals at once, and returns what `job` does for three numbers.
USES = {
    "spawn": "return [eventlet.spawn(job, i, k).wait() for k in range(3)]",
    "pool": "return [eventlet.GreenPool(2).spawn(job, i, k).wait() for k in range(3)]",
    "event": """
        found = []
        for k in range(3):
            event = eventlet.event.Event()
            eventlet.spawn(lambda: event.send(job(i, k)))
            found.append(event.wait())
        return found
        """,
    "queue": """
        asked, answered = eventlet.queue.Queue(), eventlet.queue.Queue()

        def answer():
            for _ in range(3):
                answered.put(job(i, asked.get()))

        answering = eventlet.spawn(answer)
        found = []
        for k in range(3):
            asked.put(k)
            found.append(answered.get())
        answering.wait()
        return found
        """,
    "timeout": """
        with eventlet.timeout.Timeout(20):
            found = [eventlet.spawn(job, i, k).wait() for k in range(3)]
        with eventlet.timeout.Timeout(0.001, False):
            eventlet.sleep(20)
        return found
        """,
    "sleep": """
        def do_and_sleep(i, k):
            found = job(i, k)
            eventlet.sleep(0.0001)
            return found

        return [eventlet.spawn(do_and_sleep, i, k).wait() for k in range(3)]
        """,
}

FIFTY = textwrap.dedent("""
    import asyncio
    import random
    import warnings

    warnings.simplefilter("ignore")  # eventlet says that it is deprecated

    import eventlet
    import eventlet.event
    import eventlet.queue
    import eventlet.timeout

    from switchback import await_, with_portal_run_sync

    order = random.Random(7)

    def job(i, k):
        await_(asyncio.sleep(order.random() / 500))
        return i, k

    async def fifty(use):
        finished = []

        async def one(i):
            found = await with_portal_run_sync(use, i)
            finished.append(i)
            return found

        found = await asyncio.gather(*[one(i) for i in range(50)])
        assert found == [[(i, k) for k in range(3)] for i in range(50)]
        assert sorted(finished) == list(range(50)) != finished
""")


@pytest.mark.parametrize("use", USES)
def test_fifty_portals_with_greenlets_that_await(use):
    body = textwrap.indent(textwrap.dedent(USES[use]), "    ")
    check_code(f"{FIFTY}\ndef use(i):\n{body}\n\nasyncio.run(fifty(use))\n")


def test_many_greenlets_of_fifty_portals_await_in_turns():
    """Several greenlets of each await, which only one portal at a time can have."""
    check_code(
        FIFTY
        + textwrap.dedent("""
        import switchback

        @switchback.exclusive
        def use(i):
            pool = eventlet.GreenPool(2)
            return list(pool.imap(lambda k: job(i, k), range(3)))

        async def main():
            found = await asyncio.gather(*[with_portal_run_sync(use, i) for i in range(50)])
            assert found == [[(i, k) for k in range(3)] for i in range(50)]

        asyncio.run(main())
        """)
    )
