"""gevent, eventlet and the pattern of Playwright beside portals; in processes of their own."""

from __future__ import annotations

import textwrap

import pytest
from support.children import check_code
from support.greenlet_users import both_backends, copies_stacks, needs

pytestmark = [copies_stacks, pytest.mark.in_child_process]


PORTALS = textwrap.dedent("""
    import asyncio
    import random

    from switchback import await_, ensure_portal, with_portal_run, with_portal_run_sync

    order = random.Random(5)

    def wait(i, depth):
        if depth:
            return wait(i, depth - 1)
        for _ in range(5):
            await_(asyncio.sleep(order.random() / 500))
        return i

    async def fifty(function):
        finished = []

        async def one(i):
            result = await with_portal_run_sync(function, i)
            finished.append(i)
            return result

        assert await asyncio.gather(*[one(i) for i in range(50)]) == list(range(50))
        assert sorted(finished) == list(range(50)) != finished
""")


@needs("gevent")
@both_backends
def test_asyncio_inside_gevent_greenlets(backend):
    """One after the other: two loops cannot run in one thread at a time."""
    check_code(
        PORTALS
        + textwrap.dedent("""
        import gevent

        def run_loop():
            asyncio.run(fifty(lambda i: wait(i, i % 7)))
            return "ran"

        ticks = []

        def tick():
            for _ in range(10):
                ticks.append(None)
                gevent.sleep(0)

        for _ in range(3):
            greenlets = [gevent.spawn(tick), gevent.spawn(run_loop), gevent.spawn(tick)]
            gevent.joinall(greenlets, raise_error=True)
            assert greenlets[1].value == "ran"
        assert len(ticks) == 60
        """),
        backend,
    )


@needs("gevent")
def test_gevent_calls_inside_portals():
    check_code(
        PORTALS
        + textwrap.dedent("""
        import gevent
        import gevent.event

        def in_portal(i):
            await_(asyncio.sleep(order.random() / 500))
            box = gevent.event.AsyncResult()
            gevent.spawn(lambda: box.set(i))
            gevent.sleep(0)
            assert box.get() == i
            await_(asyncio.sleep(order.random() / 500))
            jobs = [gevent.spawn(gevent.sleep, 0.0001) for _ in range(3)]
            gevent.joinall(jobs, raise_error=True)
            return wait(i, i % 5)

        for _ in range(2):
            asyncio.run(fifty(in_portal))
        """)
    )


SHARED_HUB = textwrap.dedent("""
    import asyncio
    import random

    from switchback import await_, with_portal_run_sync

    order = random.Random(5)

    def child(i, x):
        assert await_(asyncio.sleep(order.random() / 500, x)) == x
        give_way()
        return i, await_(asyncio.sleep(order.random() / 500, x))

    def work(i):
        return [spawn_and_get(child, i, x) for x in range(3)]

    async def main():
        for count in (1, 50):
            found = await asyncio.gather(*[with_portal_run_sync(work, i) for i in range(count)])
            assert found == [[(i, x) for x in range(3)] for i in range(count)], found
""")


@needs("gevent")
@both_backends
def test_gevent_greenlets_that_await_in_portals(backend):
    """The parent of all of them is the hub that the portals share."""
    check_code(
        SHARED_HUB
        + textwrap.dedent("""
        import gevent

        give_way = lambda: gevent.sleep(0)
        spawn_and_get = lambda *call: gevent.spawn(*call).get()
        asyncio.run(main())
        """),
        backend,
    )


@needs("eventlet")
@both_backends
def test_eventlet_greenlets_that_await_in_portals(backend):
    check_code(
        "import warnings\nwarnings.simplefilter('ignore')\n"  # eventlet says that it is deprecated
        + SHARED_HUB
        + textwrap.dedent("""
        import eventlet

        give_way = lambda: eventlet.sleep(0)
        spawn_and_get = lambda *call: eventlet.spawn(*call).wait()
        asyncio.run(main())
        """),
        backend,
    )


@needs("gevent")
@both_backends
def test_gevent_pools_and_queues_whose_greenlets_await(backend):
    check_code(
        SHARED_HUB
        + textwrap.dedent("""
        import gevent
        import gevent.pool
        import gevent.queue

        give_way = lambda: gevent.sleep(order.random() / 2000)

        def use():
            pool = gevent.pool.Pool(3)
            assert pool.map(lambda x: child(0, x), range(9)) == [(0, x) for x in range(9)]
            queue = gevent.queue.Queue()

            def produce():
                for x in range(3):
                    queue.put(await_(asyncio.sleep(order.random() / 500, x)))
                queue.put(StopIteration)

            gevent.spawn(produce)
            return list(queue)

        assert asyncio.run(with_portal_run_sync(use)) == [0, 1, 2]
        """),
        backend,
    )


@needs("gevent")
def test_asyncio_on_patched_gevent():
    check_code(
        "from gevent import monkey\nmonkey.patch_all()\n"
        + PORTALS
        + textwrap.dedent("""
        import gevent

        ticks = []

        def tick():
            while True:
                ticks.append(None)
                gevent.sleep(0.001)

        ticking = gevent.spawn(tick)
        # The loop's select() gives way to other greenlets.
        loop = gevent.spawn(asyncio.run, fifty(lambda i: wait(i, i % 7)))
        loop.get()
        ticking.kill()
        assert len(ticks) > 2
        """)
    )


@needs("eventlet")
def test_eventlet_calls_inside_portals():
    check_code(
        "import warnings\nwarnings.simplefilter('ignore')\n"  # eventlet says that it is deprecated
        + PORTALS
        + textwrap.dedent("""
        import eventlet
        import eventlet.event

        def in_portal(i):
            await_(asyncio.sleep(order.random() / 500))
            thread = eventlet.spawn(lambda: i)
            eventlet.sleep(0)
            assert thread.wait() == i
            return wait(i, i % 5)

        asyncio.run(fifty(in_portal))
        """)
    )


@needs("eventlet")
@both_backends
def test_asyncio_inside_an_eventlet_greenlet(backend):
    check_code(
        "import warnings\nwarnings.simplefilter('ignore')\n"  # eventlet says that it is deprecated
        + PORTALS
        + textwrap.dedent("""
        import eventlet

        for _ in range(3):
            thread = eventlet.spawn(asyncio.run, fifty(lambda i: wait(i, i % 7)))
            thread.wait()
        """),
        backend,
    )


PLAYWRIGHT = PORTALS + textwrap.dedent("""
    import greenlet

    class Browser:
        '''Runs a loop in a greenlet of its own: each call of the user's switches to it.'''

        def __enter__(self):
            self.loop = asyncio.new_event_loop()
            self.user = greenlet.getcurrent()
            self.dispatcher = greenlet.greenlet(self.dispatch)
            self.dispatcher.switch()
            return self

        def dispatch(self):
            self.stopping = self.loop.create_future()
            self.loop.call_soon(self.user.switch)
            self.loop.run_until_complete(self.stopping)

        def call(self, coroutine):
            user = greenlet.getcurrent()
            task = self.loop.create_task(coroutine)
            task.add_done_callback(lambda _: user.switch())
            while not task.done():
                self.dispatcher.switch()
            return task.result()

        def __exit__(self, *exc_info):
            self.stopping.set_result(None)
            self.dispatcher.switch()
            assert self.dispatcher.dead
            self.loop.close()
""")


@needs("greenlet")
def test_playwrights_pattern_with_portals_in_the_dispatcher():
    """The portals run in the loop of the dispatcher fiber, the user's code in the main greenlet."""
    check_code(
        PLAYWRIGHT
        + textwrap.dedent("""
        with Browser() as browser:
            for _ in range(5):
                browser.call(fifty(lambda i: wait(i, i % 7)))
                assert browser.call(with_portal_run_sync(wait, 3, 2)) == 3
        """)
    )


@needs("greenlet")
def test_playwrights_pattern_with_callbacks_that_await():
    """A handler that the library calls in a greenlet of its own, from the dispatcher's loop."""
    check_code(
        PLAYWRIGHT
        + textwrap.dedent("""
        def handler(i):
            return greenlet.greenlet(wait).switch(i, i % 3)

        async def page(i):
            await ensure_portal()
            await asyncio.sleep(order.random() / 500)
            return handler(i)

        async def pages():
            assert await asyncio.gather(*[page(i) for i in range(50)]) == list(range(50))

        with Browser() as browser:
            browser.call(pages())
            browser.call(fifty(handler))
        """)
    )


@needs("greenlet")
def test_playwrights_pattern_inside_a_portal():
    """In a thread's main greenlet a loop runs; its portal's code starts a dispatcher in a thread
    of its own, as the library refuses to run inside of a running loop."""
    check_code(
        PLAYWRIGHT
        + textwrap.dedent("""
        import threading

        def use_browser(results):
            with Browser() as browser:
                for i in range(5):
                    results.append(browser.call(with_portal_run_sync(wait, i, i)))

        def in_portal(i):
            results = []
            if i % 10 == 0:
                await_(asyncio.to_thread(use_browser, results))
                assert results == list(range(5))
            return wait(i, i % 7)

        asyncio.run(fifty(in_portal))
        """)
    )
