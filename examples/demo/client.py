"""The one HTTP client of all pages."""

from __future__ import annotations

from itertools import cycle

import httpx


class SpreadTransport(httpx.AsyncBaseTransport):
    """Spreads requests over several connection pools, by turns.

    What a pool of httpx does for a request takes time in proportion to its connections: with 200
    in one pool, that would be most of what the demo does, whoever awaits it.
    """

    def __init__(self, pools: int) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._pools = [
            httpx.AsyncHTTPTransport(verify=False, trust_env=False, limits=limits)  # no TLS here
            for _ in range(pools)
        ]
        self._turns = cycle(self._pools)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await next(self._turns).handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()


def open_client(url: str, pools: int) -> httpx.AsyncClient:
    # No proxy stands between the client and a server on the same machine.
    return httpx.AsyncClient(
        base_url=url, transport=SpreadTransport(pools), timeout=60, trust_env=False
    )
