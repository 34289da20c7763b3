"""SQLAlchemy, which awaits by way of greenlet, inside portals; in processes of their own."""

from __future__ import annotations

import textwrap

import pytest
from support.children import check_code
from support.greenlet_users import both_backends, copies_stacks, needs

pytestmark = [copies_stacks, pytest.mark.in_child_process]


SQLALCHEMY = textwrap.dedent("""
    import asyncio
    import random
    import tempfile

    from sqlalchemy import ForeignKey, event, select, text
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
    from sqlalchemy.orm import (
        DeclarativeBase, Mapped, mapped_column, relationship, selectinload, validates
    )
    from sqlalchemy.pool import NullPool

    from switchback import await_, ensure_portal, with_portal_run, with_portal_run_sync

    validated = []
    awaits_in_validator = False

    class Base(DeclarativeBase):
        pass

    class Author(Base):
        __tablename__ = "author"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        books: Mapped[list["Book"]] = relationship(back_populates="author")

        @validates("name")
        def check_name(self, key, value):
            if awaits_in_validator:
                validated.append(await_(asyncio.sleep(0.0001, value)))
            return value

    class Book(Base):
        __tablename__ = "book"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
        author: Mapped[Author] = relationship(back_populates="books")

    order = random.Random(3)

    async def open_engine(path):
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            for i in range(50):
                books = [Book(title=f"{i}.{j}") for j in range(3)]
                session.add(Author(id=i + 1, name=f"author {i}", books=books))
            await session.commit()
        return engine

    async def with_engine(use):
        with tempfile.TemporaryDirectory() as directory:
            engine = await open_engine(f"{directory}/test.db")
            try:
                return await use(engine)
            finally:
                await engine.dispose()

    async def fifty(function):
        '''50 tasks at once; they finish out of order.'''
        finished = []

        async def one(i):
            await asyncio.sleep(order.random() / 100)
            result = await function(i)
            finished.append(i)
            return result

        results = await asyncio.gather(*[one(i) for i in range(50)])
        assert sorted(finished) == list(range(50)) != finished
        return results
""")

sqlalchemy = needs("sqlalchemy", "aiosqlite", "greenlet")

PLAIN_ORM = """
ways = ["in_a_call", "in_a_task"]

def titles_of(engine, i):
    '''Synchronous code, which awaits what the session returns.'''
    session = AsyncSession(engine)
    try:
        query = select(Author).where(Author.id == i + 1).options(selectinload(Author.books))
        author = await_(session.scalars(query)).one()
        titles = [book.title for book in author.books]
        await_(asyncio.sleep(order.random() / 200))
        assert await_(session.scalar(text("select count(*) from author"))) == 50
        return titles
    finally:
        await_(session.close())

async def use(engine):
    async def in_a_call(i):
        return await with_portal_run_sync(titles_of, engine, i)

    async def in_a_task(i):
        await ensure_portal()
        async with AsyncSession(engine) as session:
            query = select(Book.title).where(Book.author_id == i + 1).order_by(Book.id)
            first = list(await session.scalars(query))
            assert first == titles_of(engine, i)
            await asyncio.sleep(order.random() / 200)
            return list(await session.scalars(query))

    for function in [function for function in (in_a_call, in_a_task) if function.__name__ in ways]:
        results = await fifty(function)
        assert results == [[f"{i}.{j}" for j in range(3)] for i in range(50)]
"""


@sqlalchemy
@both_backends
@pytest.mark.parametrize("way", ["in_a_call", "in_a_task"])
def test_sqlalchemy_in_portals(way, backend):
    """Its greenlets last for many steps of a task: they begin in one, and go on in others."""
    check_code(
        f"{SQLALCHEMY}\n{PLAIN_ORM}\nways = [{way!r}]\nasyncio.run(with_engine(use))", backend
    )


@sqlalchemy
@both_backends
def test_sqlalchemy_lazy_loads_in_run_sync(backend):
    check_code(
        SQLALCHEMY
        + textwrap.dedent("""
        def lazily(session, i):
            author = session.get(Author, i + 1)
            return [book.title for book in author.books] + [author.books[0].author.name]

        def call(engine, i):
            session = AsyncSession(engine)
            try:
                return await_(session.run_sync(lazily, i))
            finally:
                await_(session.close())

        async def use(engine):
            results = await fifty(lambda i: with_portal_run_sync(call, engine, i))
            assert results == [
                [*[f"{i}.{j}" for j in range(3)], f"author {i}"] for i in range(50)
            ]

        asyncio.run(with_engine(use))
        """),
        backend,
    )


@sqlalchemy
@both_backends
def test_sqlalchemy_event_handler_that_awaits(backend):
    """What the program has registered for synchronous use is called deep inside a greenlet."""
    check_code(
        SQLALCHEMY
        + textwrap.dedent("""
        async def use(engine):
            connected = []

            @event.listens_for(engine.sync_engine, "connect")
            def on_connect(connection, record):
                connected.append(await_(asyncio.sleep(order.random() / 500, "awaited")))
                cursor = connection.cursor()
                cursor.execute("PRAGMA foreign_keys=ON")
                cursor.close()
                await_(asyncio.sleep(0))

            @event.listens_for(engine.sync_engine, "before_cursor_execute")
            def before_execute(*args):
                await_(asyncio.sleep(order.random() / 1000))

            async def in_a_task(i):
                await ensure_portal()
                async with AsyncSession(engine) as session:
                    assert await session.scalar(text("PRAGMA foreign_keys")) == 1
                    await asyncio.sleep(order.random() / 500)
                    return await session.scalar(select(Author.name).where(Author.id == i + 1))

            def call(i):
                return await_(with_session(i))

            async def with_session(i):
                async with AsyncSession(engine) as session:
                    return await session.scalar(select(Author.name).where(Author.id == i + 1))

            for function in (in_a_task, lambda i: with_portal_run_sync(call, i)):
                assert await fifty(function) == [f"author {i}" for i in range(50)]
            assert connected == ["awaited"] * 100

        asyncio.run(with_engine(use))
        """),
        backend,
    )


@pytest.mark.chooses_native(reason="chooses the native backend")
@sqlalchemy
def test_sqlalchemy_event_handler_that_awaits_is_refused_with_a_greenlet_that_differs():
    """On native: with an error that says what to do; connections and portals go on."""
    check_code(
        "from support.greenlet_that_differs import pretend\npretend('flags of switch')\n"
        + SQLALCHEMY
        + textwrap.dedent("""
        from switchback import NoPortalError

        async def use(engine):
            refused = []

            @event.listens_for(engine.sync_engine, "before_cursor_execute")
            def before_execute(*args):
                try:
                    await_(asyncio.sleep(0))
                except NoPortalError as error:
                    refused.append(str(error))

            async def in_a_task(i):
                await ensure_portal()
                async with AsyncSession(engine) as session:
                    name = await session.scalar(select(Author.name).where(Author.id == i + 1))
                await_(asyncio.sleep(0))
                return name

            assert await fifty(in_a_task) == [f"author {i}" for i in range(50)]
            assert len(refused) == 50
            assert all("'greenlet'" in message for message in refused), refused[0]

        asyncio.run(with_engine(use))
        """),
        "native",
    )


@sqlalchemy
@both_backends
def test_sqlalchemy_validators_that_await_in_run_sync(backend):
    check_code(
        SQLALCHEMY
        + textwrap.dedent("""
        def rename(session, i):
            author = session.get(Author, i + 1)
            titles = [book.title for book in author.books]  # a lazy load
            author.name = f"renamed {i}"
            await_(asyncio.sleep(order.random() / 500))
            assert author.books[0].author is author
            session.expire(author, ["books"])
            assert [book.title for book in author.books] == titles  # another
            return author.name, titles

        def call(engine, i):
            return await_(in_session(engine, i))

        async def in_session(engine, i):
            async with AsyncSession(engine) as session:
                return await session.run_sync(rename, i)

        async def use(engine):
            global awaits_in_validator
            awaits_in_validator = True
            results = await fifty(lambda i: with_portal_run_sync(call, engine, i))
            assert results == [
                (f"renamed {i}", [f"{i}.{j}" for j in range(3)]) for i in range(50)
            ]
            assert sorted(validated) == sorted(f"renamed {i}" for i in range(50))

        asyncio.run(with_engine(use))
        """),
        backend,
    )


@sqlalchemy
@both_backends
def test_sqlalchemy_queries_are_cancelled_midway(backend):
    check_code(
        SQLALCHEMY
        + textwrap.dedent("""
        SLOW = text(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < :most) "
            "select sum(i) from n"
        )

        def call(engine, i):
            session = AsyncSession(engine)
            try:
                return await_(session.scalar(SLOW, {"most": 100_000 if i % 2 else 100}))
            finally:
                await_(session.close())

        async def use(engine):
            async def cancelled(i):
                task = asyncio.create_task(with_portal_run_sync(call, engine, i))
                await asyncio.sleep(order.random() / 100)
                task.cancel()
                await asyncio.wait([task])
                return "cancelled" if task.cancelled() else task.result()

            results = await fifty(cancelled)
            assert "cancelled" in results
            for i, result in enumerate(results):
                most = 100_000 if i % 2 else 100
                assert result in ("cancelled", most * (most + 1) // 2)
            assert await with_portal_run_sync(call, engine, 0) == 5050

        asyncio.run(with_engine(use))
        """),
        backend,
    )


@pytest.mark.chooses_native(reason="chooses the native backend")
@sqlalchemy
def test_sqlalchemy_imported_inside_a_portal_that_began_natively():
    check_code(
        textwrap.dedent("""
        import asyncio
        import sys

        import switchback
        from switchback import await_, ensure_portal, with_portal_run_sync

        assert switchback.settings.backend == "auto"

        def wait(event, i):
            '''Portals that are suspended natively while all of this happens.'''
            await_(event.wait())
            await_(asyncio.sleep(0.0001 * (i * 7 % 11)))
            return i

        def import_and_use():
            await_(asyncio.sleep(0))
            assert "greenlet" not in sys.modules
            namespace = {}
            exec(SQLALCHEMY + PLAIN_ORM, namespace)
            assert "greenlet" in sys.modules
            for _ in range(2):
                await_(namespace["with_engine"](namespace["use"]))
            return namespace

        async def main():
            await ensure_portal()
            event = asyncio.Event()
            waiting = [
                asyncio.create_task(with_portal_run_sync(wait, event, i)) for i in range(50)
            ]
            await asyncio.sleep(0)
            namespace = import_and_use()
            asyncio.get_running_loop().call_later(0.1, event.set)
            await namespace["with_engine"](namespace["use"])
            assert await asyncio.gather(*waiting) == list(range(50))
            await namespace["with_engine"](namespace["use"])

        """)
        + f"SQLALCHEMY = {SQLALCHEMY!r}\nPLAIN_ORM = {PLAIN_ORM!r}\nasyncio.run(main())\n"
    )
