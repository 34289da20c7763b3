"""await_() in gevent's greenlets, whose parent is the hub that all portals share."""

from __future__ import annotations

import textwrap

import pytest
from support.children import check_code
from support.greenlet_users import copies_stacks, needs

pytestmark = [copies_stacks, needs("gevent"), pytest.mark.in_child_process]

#: Each is called by 50 portals at once, and returns what `job` does for three numbers. While one
#: of a portal's greenlets awaits, none of its others is ready: others run the hub then.
USES = {
    "spawn": "return [gevent.spawn(job, i, k).get() for k in range(3)]",
    "apply": "return [gevent.pool.Pool(2).apply(job, (i, k)) for k in range(3)]",
    "event": """
        found = []
        for k in range(3):
            box = gevent.event.AsyncResult()
            gevent.spawn(lambda: box.set(job(i, k)))
            found.append(box.get())
        return found
        """,
    "queue": """
        asked, answered = gevent.queue.Queue(), gevent.queue.Queue()

        def answer():
            for k in asked:
                answered.put(job(i, k))

        answering = gevent.spawn(answer)
        found = []
        for k in range(3):
            asked.put(k)
            found.append(answered.get())
        asked.put(StopIteration)
        answering.join()
        return found
        """,
    "timeout": """
        with gevent.Timeout(20):
            found = [gevent.spawn(job, i, k).get() for k in range(3)]
        with gevent.Timeout(0.001, False):
            gevent.sleep(20)
        return found
        """,
    "sleep": """
        def sleep_and_do(i, k):
            gevent.sleep(0.0001)
            found = job(i, k)
            gevent.sleep(0.0001)
            return found

        return [gevent.spawn(sleep_and_do, i, k).get() for k in range(3)]
        """,
    "in_both": """
        found = []
        for k in range(3):
            await_(asyncio.sleep(order.random() / 1000))
            found.append(gevent.spawn(job, i, k).get())
            gevent.joinall([gevent.spawn(gevent.sleep, 0.0001) for _ in range(3)])
        return found
        """,
}

PATCH = "from gevent import monkey\nmonkey.patch_all()\n"
IMPORT = "import switchback\n"
ORDERS = {
    "unpatched": "",
    "patched_before": PATCH + IMPORT,
    "patched_after": IMPORT + PATCH,
}

FIFTY = textwrap.dedent("""
    import asyncio
    import random

    import gevent
    import gevent.event
    import gevent.pool
    import gevent.queue

    import switchback
    from switchback import await_, with_portal_run_sync

    order = random.Random(7)

    def job(i, k):
        await_(asyncio.sleep(order.random() / 500))
        return i, k

    def three(i):
        return [(i, k) for k in range(3)]

    async def fifty(use):
        finished = []

        async def one(i):
            found = await with_portal_run_sync(use, i)
            finished.append(i)
            return found

        assert await asyncio.gather(*[one(i) for i in range(50)]) == list(map(three, range(50)))
        assert sorted(finished) == list(range(50)) != finished
""")


def code_of(use: str) -> str:
    return (
        f"def use(i):\n{textwrap.indent(textwrap.dedent(use), '    ')}\n\nasyncio.run(fifty(use))\n"
    )


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("order", ORDERS)
def test_fifty_portals_with_greenlets_that_await(use, order):
    check_code(ORDERS[order] + FIFTY + code_of(USES[use]))


#: Several greenlets await, and the hub is entered by other portals meanwhile.
MANY = {
    "map": "return gevent.pool.Pool(2).map(lambda k: job(i, k), range(3))",
    "imap": "return sorted(gevent.pool.Pool(3).imap_unordered(lambda k: job(i, k), range(3)))",
    "joinall": """
        jobs = [gevent.spawn(job, i, k) for k in range(3)]
        gevent.joinall(jobs, raise_error=True)
        return [one.value for one in jobs]
        """,
}


@pytest.mark.parametrize("use", MANY)
def test_many_greenlets_of_one_portal_await(use):
    check_code(
        FIFTY
        + code_of(MANY[use])
        .replace("fifty(use)", "alone(use)")
        .replace(
            "asyncio.run",
            "async def alone(use):\n"
            "    for i in range(20):\n"
            "        assert await with_portal_run_sync(use, i) == three(i)\n\n"
            "asyncio.run",
        )
    )


@pytest.mark.parametrize("use", MANY)
def test_many_greenlets_of_fifty_portals_await_in_turns(use):
    check_code(
        FIFTY
        + code_of(MANY[use])
        .replace("fifty(use)", "in_turns(switchback.exclusive(use))")
        .replace(
            "asyncio.run",
            "async def in_turns(use):\n"
            "    found = await asyncio.gather(*[with_portal_run_sync(use, i) for i in range(50)])\n"
            "    assert found == list(map(three, range(50)))\n\n"
            "asyncio.run",
        )
    )


def test_what_is_thrown_into_a_portal_arrives_in_the_greenlet_that_awaits():
    check_code(
        FIFTY
        + textwrap.dedent("""
        cancelled = []

        def wait_long(i):
            try:
                await_(asyncio.sleep(60))
            except asyncio.CancelledError:
                cancelled.append(i)
                raise

        def use(i):
            try:
                gevent.spawn(wait_long, i).get()
            except asyncio.CancelledError:
                return "cancelled"

        async def main():
            gevent.get_hub().exception_stream = None
            tasks = [asyncio.create_task(with_portal_run_sync(use, i)) for i in range(5)]
            await asyncio.sleep(0.01)
            for task in reversed(tasks):
                task.cancel()
            assert await asyncio.gather(*tasks) == ["cancelled"] * 5
            assert sorted(cancelled) == list(range(5))

        asyncio.run(main())
        """)
    )
