"""SQLAlchemy's asyncio engine beside portals: its pool, and await_() in and outside greenlets."""

from __future__ import annotations

import textwrap

import pytest
from support.children import check_code
from support.greenlet_users import both_backends, copies_stacks, needs

pytestmark = [
    copies_stacks,
    needs("sqlalchemy", "aiosqlite", "greenlet"),
    pytest.mark.in_child_process,
]

ENGINE = textwrap.dedent("""
    import asyncio
    import random
    import tempfile

    import greenlet
    from sqlalchemy import event, text
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
    from sqlalchemy.pool import AsyncAdaptedQueuePool

    from switchback import await_, ensure_portal, with_portal_run_sync

    order = random.Random(11)

    async def with_pool_of_five(use):
        with tempfile.TemporaryDirectory() as directory:
            engine = create_async_engine(
                f"sqlite+aiosqlite:///{directory}/test.db",
                poolclass=AsyncAdaptedQueuePool, pool_size=5, max_overflow=0,
            )
            try:
                async with engine.begin() as connection:
                    await connection.execute(text("create table numbers (i integer)"))
                    for i in range(50):
                        await connection.execute(
                            text("insert into numbers values (:i)"), {"i": i}
                        )
                await use(engine)
                assert engine.pool.checkedout() == 0
            finally:
                await engine.dispose()

    def ask(session, i):
        '''Synchronous code in a portal.'''
        await_(asyncio.sleep(order.random() / 1000))
        return await_(session.scalar(text("select i from numbers where i = :i"), {"i": i}))
""")


@both_backends
def test_a_pool_of_five_for_fifty_tasks(backend):
    """Who gets no connection waits in a greenlet of SQLAlchemy's until another gives one back."""
    check_code(
        ENGINE
        + textwrap.dedent("""
        async def use(engine):
            most = 0

            def call(i):
                nonlocal most
                session = AsyncSession(engine)
                try:
                    found = ask(session, i)
                    most = max(most, engine.pool.checkedout())
                    await_(asyncio.sleep(order.random() / 1000))
                    return found
                finally:
                    await_(session.close())

            async def in_a_task(i):
                await ensure_portal()
                return call(i)

            for function in (in_a_task, lambda i: with_portal_run_sync(call, i)):
                most = 0
                found = await asyncio.gather(*[function(i) for i in range(50)])
                assert found == list(range(50))
                assert most == 5, most

        asyncio.run(with_pool_of_five(use))
        """),
        backend,
    )


def test_handlers_await_inside_and_outside_of_the_greenlets_of_sqlalchemy():
    """One handler, called within run_sync() and by code of the portal itself."""
    check_code(
        ENGINE
        + textwrap.dedent("""
        async def use(engine):
            places = set()

            @event.listens_for(engine.sync_engine, "before_cursor_execute")
            def before_execute(*args):
                places.add(greenlet.getcurrent().parent is not None)
                await_(asyncio.sleep(order.random() / 1000))

            def handle(i):
                places.add(greenlet.getcurrent().parent is not None)
                return await_(asyncio.sleep(order.random() / 1000, i))

            def synchronous(session, i):
                assert handle(i) == i
                return session.scalar(text("select i from numbers where i = :i"), {"i": i})

            def call(i):
                session = AsyncSession(engine)
                try:
                    assert handle(i) == i
                    return await_(session.run_sync(synchronous, i))
                finally:
                    await_(session.close())

            found = await asyncio.gather(*[with_portal_run_sync(call, i) for i in range(50)])
            assert found == list(range(50))
            assert places == {True, False}, places

        asyncio.run(with_pool_of_five(use))
        """)
    )


def test_tasks_that_are_cancelled_give_their_connections_back():
    """Cancelled while they wait for one of five connections, or for what they have asked."""
    check_code(
        ENGINE
        + textwrap.dedent("""
        async def use(engine):
            def call(i):
                session = AsyncSession(engine)
                try:
                    return ask(session, i)
                finally:
                    await_(session.close())

            for _ in range(3):
                tasks = [asyncio.create_task(with_portal_run_sync(call, i)) for i in range(50)]
                await asyncio.sleep(0.002)
                for task in order.sample(tasks, 20):
                    task.cancel()
                found = await asyncio.gather(*tasks, return_exceptions=True)
                for i, one in enumerate(found):
                    assert one == i or isinstance(one, asyncio.CancelledError), one
                assert any(isinstance(one, asyncio.CancelledError) for one in found)
                assert await with_portal_run_sync(call, 7) == 7

        asyncio.run(with_pool_of_five(use))
        """)
    )
