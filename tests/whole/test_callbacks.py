"""switchback.callback(): callbacks that await, and what those are told that are not wrapped."""

import asyncio
import contextlib
import contextvars
import functools
import os
import signal
import socket

import pytest
from support.libraries import UVLOOP
from support.whole import new_event_loop

import switchback
from switchback import NoPortalError, await_, callback, has_portal

variable = contextvars.ContextVar("variable", default="outside")


@pytest.fixture(params=["asyncio", UVLOOP])
def run(request):
    def run(main):
        factory = functools.partial(new_event_loop, request.param)
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main)

    return run


async def later(value, seconds=0.0):
    await asyncio.sleep(seconds)
    return value


def test_callbacks_of_every_kind(run):
    seen = []
    done = asyncio.Event()

    @callback
    def note(what, *rest):
        assert has_portal()
        seen.append(await_(later(what)))
        if len(seen) == 5:
            done.set()

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(note, "call_soon")
        loop.call_later(0.001, note, "call_later")
        loop.call_at(loop.time(), note, "call_at")
        loop.add_signal_handler(signal.SIGUSR1, note, "signal")
        os.kill(os.getpid(), signal.SIGUSR1)
        future = loop.create_future()
        future.add_done_callback(functools.partial(note, "done"))
        future.set_result(None)
        await asyncio.wait_for(done.wait(), 10)
        loop.remove_signal_handler(signal.SIGUSR1)

    run(main())
    assert sorted(seen) == ["call_at", "call_later", "call_soon", "done", "signal"]


def test_fifty_wait_at_once_and_end_in_any_order(run):
    ended = []

    @callback
    def one(number):
        await_(asyncio.sleep(0.05 - number / 1000))
        ended.append(number)

    async def main():
        for number in range(50):
            asyncio.get_running_loop().call_soon(one, number)
        await asyncio.sleep(0.1)

    run(main())
    assert sorted(ended) == list(range(50)) and ended != sorted(ended)


def test_it_runs_at_once_up_to_where_it_waits(run):
    received, calls = [], []

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)

        @callback
        def readable():
            calls.append(1)
            data = ours.recv(100)  # would raise if it came too late
            received.append(await_(later(data, 0.001)))

        loop.add_reader(ours, readable)
        for number in range(5):
            theirs.send(b"%d" % number)
            await asyncio.sleep(0.005)
        loop.remove_reader(ours)
        ours.close()
        theirs.close()

    run(main())
    assert received == [b"0", b"1", b"2", b"3", b"4"]
    assert len(calls) == 5


def test_methods_of_a_protocol(run):
    class Upper(asyncio.Protocol):
        @callback
        def connection_made(self, transport):
            self.transport = transport
            self.greeting = await_(later(b"hello "))

        @callback
        def data_received(self, data):
            await_(asyncio.sleep(0.001))
            self.transport.write(await_(later(self.greeting + data.upper())))
            self.transport.close()

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Upper, "127.0.0.1", 0)

        async def client(number):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await asyncio.sleep(0.01)
            writer.write(b"a%d" % number)
            assert await reader.read() == b"hello A%d" % number
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*map(client, range(20)))
        server.close()

    run(main())


def test_what_it_raises_goes_to_the_exception_handler(run):
    reported = []

    @callback
    def fails(wait):
        if wait:
            await_(later(1))
        raise LookupError("mine")

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context))
        loop.call_soon(fails, False)
        loop.call_soon(fails, True)
        await asyncio.sleep(0.01)

    run(main())
    assert [str(context["exception"]) for context in reported] == ["mine", "mine"]
    assert all("fails" in context["message"] for context in reported)


def test_it_has_a_task_of_its_own_which_can_be_cancelled(run):
    seen = []

    @callback
    def waits():
        tasks.append(asyncio.current_task())
        try:
            await_(asyncio.sleep(10))
        except asyncio.CancelledError:
            seen.append(await_(later("cleaned up")))
            raise

    tasks = []

    async def main():
        task = asyncio.current_task()
        waits()
        assert asyncio.current_task() is task
        assert tasks[0] is not task
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[0]

    run(main())
    assert seen == ["cleaned up"]


def test_timeouts_and_context_variables(run):
    seen = []

    @callback
    def waits():
        async def times_out():
            async with asyncio.timeout(0.001):
                await asyncio.sleep(10)

        seen.append(variable.get())
        variable.set("callback")
        with contextlib.suppress(TimeoutError):
            await_(times_out())
        seen.append(variable.get())

    async def main():
        variable.set("main")
        asyncio.get_running_loop().call_soon(waits)
        await asyncio.sleep(0.02)
        assert variable.get() == "main"

    run(main())
    assert seen == ["main", "callback"]


def test_one_that_is_not_wrapped_is_named(run):
    caught = []

    def not_wrapped():
        try:
            await_(later(1))
        except NoPortalError as error:
            caught.append(str(error))

    async def main():
        asyncio.get_running_loop().call_soon(not_wrapped)
        await asyncio.sleep(0.001)

    run(main())
    assert "not_wrapped() (" in caught[0] and __file__ in caught[0]
    assert "switchback.callback(function)" in caught[0]


def test_wrong_use():
    with pytest.raises(TypeError, match=r"asyncio\.create_task\(later\(\)\)"):
        callback(later)
    with pytest.raises(RuntimeError, match="no running event loop"):
        callback(print)()
    assert switchback.callback(later.__class__.__repr__).__name__ == "__repr__"
