"""A small HTTP server that answers late, and the means to have one in a process of its own.

It runs until its standard input ends, so that it never outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import data

_ROUTES: dict[str, Callable[..., object]] = {
    "country": data.country,
    "zones": data.zones,
    "clock": lambda *zone: data.clock("/".join(zone)),
    "same-clock": data.same_clock,
}


class ServerError(Exception):
    """The server could not be started."""


@contextlib.contextmanager
def running_server(delay: float, port: int) -> Iterator[str]:
    """Run a server process for the length of a ``with`` statement, and give its base URL."""
    command = [sys.executable, __file__, str(delay), str(port)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,  # Ctrl-C is for the parent
    ) as process:
        try:
            assert process.stdout is not None
            answer = process.stdout.readline().strip()
            if not answer.startswith("http:"):
                raise ServerError(answer or "its process ended before it was ready")
            yield answer
        finally:
            process.communicate()  # ends its input and waits for it


class _Server:
    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until the client closes it."""
        # Cancelled when the server stops: requests under way get no answer.
        with contextlib.suppress(
            asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError
        ):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                _method, target, _rest = head.decode("latin-1").split(" ", 2)
                status, content = await self._answer(unquote(target))
                body = json.dumps(content).encode()
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        writer.close()

    async def _answer(self, target: str) -> tuple[str, object]:
        if target == "/requests":  # neither delayed nor counted
            return "200 OK", self._requests
        self._requests += 1
        await asyncio.sleep(self._delay)
        route, *arguments = target.strip("/").split("/")
        try:
            return "200 OK", _ROUTES[route](*arguments)
        except (KeyError, TypeError):
            return "404 Not Found", None


async def _main(delay: float, port: int) -> None:
    try:
        server = await asyncio.start_server(_Server(delay).serve, "127.0.0.1", port, backlog=1024)
    except OSError as error:
        print(error.strerror or error, flush=True)
        sys.exit(1)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    # Waits for the end of standard input.
    parent = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(parent), sys.stdin
    )
    await parent.read()
    server.close()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1]), int(sys.argv[2])))
