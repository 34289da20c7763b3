"""Servers that others write: their handlers have portals once the loop is enabled."""

import asyncio
import functools

import pytest
from support.libraries import UVLOOP
from support.whole import new_event_loop

import switchback
from switchback import await_


@pytest.fixture(params=["asyncio", UVLOOP])
def run(request):
    factory = functools.partial(new_event_loop, request.param)
    return lambda main: switchback.run(main, loop_factory=factory)


def work(number):
    """Wait below a synchronous function, the later requests the shorter."""
    return await_(asyncio.sleep(0.05 - number / 1000, number))


def test_aiohttp_makes_tasks_by_hand(run):
    aiohttp = pytest.importorskip("aiohttp")
    from aiohttp import web

    async def handler(request):
        return web.Response(text=str(work(int(request.query["n"]))))

    async def main():
        app = web.Application()
        app.router.add_get("/", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        answered = []

        async def get(session, number):
            async with session.get(f"http://127.0.0.1:{port}/", params={"n": number}) as answer:
                assert answer.status == 200
                assert int(await answer.text()) == number
                answered.append(number)

        connector = aiohttp.TCPConnector(limit=100)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(get(session, number) for number in range(50)))
        await runner.cleanup()
        assert sorted(answered) == list(range(50)) and answered != sorted(answered)

    run(main())


def test_asyncios_own_server(run):
    async def served(reader, writer):
        number = int(await reader.readline())
        writer.write(b"%d" % work(number))
        writer.close()

    async def main():
        server = await asyncio.start_server(served, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        answered = []

        async def ask(number):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"%d\n" % number)
            assert int(await reader.read()) == number
            answered.append(number)
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*map(ask, range(50)))
        server.close()
        assert answered != sorted(answered)

    run(main())
