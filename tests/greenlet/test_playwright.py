"""Playwright's sync functions, whose loop runs in a greenlet, with the real driver."""

from __future__ import annotations

import pytest
from support.greenlet_programs import check_program
from support.greenlet_users import copies_stacks, needs

pytestmark = [
    needs("playwright", "trio"),
    copies_stacks,
    pytest.mark.in_child_process,
    pytest.mark.needs_native(reason="elsewhere nothing tells that the loop is another greenlet's"),
]


def test_twenty_tasks_that_await_between_requests_share_a_driver():
    check_program(
        """
        import http.server
        import threading

        import trio
        from playwright.sync_api import sync_playwright

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(self.path.encode())

            def log_message(self, *args):
                pass

        def work(requests, number, found):
            for turn in range(5):
                found.append(requests.get(f"/{number}/{turn}").text())
                await_(trio.sleep(0.001 * (number % 3)))

        async def all_work(requests, found):
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(with_portal_run_sync, work, requests, number, found)

        def main():
            found = []
            with sync_playwright() as playwright:
                requests = playwright.request.new_context(base_url=url)
                await_(all_work(requests, found))
                requests.dispose()
            await_(trio.sleep(0))
            assert sorted(found) == sorted(f"/{n}/{turn}" for n in range(20) for turn in range(5))
            assert switchback.backend_in_use().name == "native"

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            url = f"http://127.0.0.1:{server.server_port}"
            threading.Thread(target=server.serve_forever, daemon=True).start()
            trio.run(with_portal_run_sync, main)
            server.shutdown()
        """
    )
