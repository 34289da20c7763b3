"""A Starlette application under uvicorn, whose handler needs three results of an async operation.

The operation is a timer of a millisecond, in place of a query: it costs the server next to nothing,
so nothing hides what the way to it costs. Prints the port, and serves until its input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

QUERIES = 3
SECONDS = 0.001
VARIANTS = ("async", "async, enabled", "switchback", "greenback", "threads", "threads, blocking")


async def query(name: str) -> dict[str, object]:
    await asyncio.sleep(SECONDS)
    return {"name": name, "size": len(name)}


def blocking_query(name: str) -> dict[str, object]:
    time.sleep(SECONDS)
    return {"name": name, "size": len(name)}


class SyncLayer:
    """What stands for a library that knows nothing of async code: it is given a way to query."""

    def __init__(self, query: Callable[[str], dict[str, object]]) -> None:
        self.query = query

    def page(self, title: str) -> dict[str, object]:
        rows = [self.query(f"{title}-{number}") for number in range(QUERIES)]
        return {"title": title, "rows": rows}


class AsyncLayer:
    """The same, rewritten with async and await."""

    def __init__(self, query: Callable[[str], Awaitable[dict[str, object]]]) -> None:
        self.query = query

    async def page(self, title: str) -> dict[str, object]:
        rows = [await self.query(f"{title}-{number}") for number in range(QUERIES)]
        return {"title": title, "rows": rows}


def application(variant: str) -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    handler: Callable[[Request], Any]
    if variant.startswith("async"):
        async_layer = AsyncLayer(query)

        async def handle(request: Request) -> JSONResponse:
            return JSONResponse(await async_layer.page(request.path_params["title"]))

        handler = handle
    elif variant in ("switchback", "greenback"):
        library = importlib.import_module(variant)
        await_ = library.await_
        layer = SyncLayer(lambda name: await_(query(name)))

        async def handle_in_portal(request: Request) -> JSONResponse:
            title = request.path_params["title"]
            return JSONResponse(await library.with_portal_run_sync(layer.page, title))

        handler = handle_in_portal
    else:
        from anyio import from_thread

        if variant == "threads":
            layer = SyncLayer(lambda name: from_thread.run(query, name))
        else:
            layer = SyncLayer(blocking_query)

        # Not async: Starlette calls it in a thread of its pool.
        def handle_in_thread(request: Request) -> JSONResponse:
            return JSONResponse(layer.page(request.path_params["title"]))

        handler = handle_in_thread
    return Starlette(routes=[Route("/pages/{title}", handler)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=VARIANTS)
    variant = parser.parse_args().variant
    try:
        import uvicorn

        app = application(variant)
    except ModuleNotFoundError as error:
        print(json.dumps({"missing": error.name}), flush=True)
        return
    # With its protocol named, as asyncio sets TCP_NODELAY on no other.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, loop="asyncio", log_level="error", access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)

    async def serve() -> None:
        if variant == "async, enabled":
            importlib.import_module("switchback").enable()
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        server.should_exit = server.force_exit = True
        await task

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


if __name__ == "__main__":
    main()
