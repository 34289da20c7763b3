"""Renders 200 pages of a synchronous template over the network, all at once, in one thread.

Run it with ``python examples/demo``.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

try:
    import httpx
    import trio
    from client import open_client
    from costs import ROUNDS, Cost, measure_costs
    from data import codes as all_codes
    from pages import OnlinePages, expected_pages
    from server import ServerError, running_server

    from switchback import with_portal_run_sync
except KeyboardInterrupt:
    sys.exit("\ndemo: interrupted")
except ModuleNotFoundError as error:
    sys.exit(
        f"demo: {error.name} is not installed here: the demo needs Switchback itself and "
        "'pip install -r requirements/demo.txt'"
    )

AT_ONCE = "all at once"
IN_TURN = "one after another"
POOLS = 50

Render = Callable[[str], Coroutine[Any, Any, None]]


async def all_at_once_on_asyncio(render: Render, codes: list[str]) -> None:
    async with asyncio.TaskGroup() as group:
        for code in codes:
            group.create_task(render(code))


async def all_at_once_on_trio(render: Render, codes: list[str]) -> None:
    async with trio.open_nursery() as nursery:
        for code in codes:
            nursery.start_soon(render, code)


async def one_after_another(render: Render, codes: list[str]) -> None:
    for code in codes:
        await render(code)


class Progress:
    """A line that grows on a terminal; elsewhere a line at the end, and on a long way more."""

    def __init__(self, label: str, total: int) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._live = sys.stdout.isatty()
        if self._live:
            self._show()

    def advance(self) -> None:
        self._done += 1
        if self._live or self._done % 50 == 0 or self._done == self._total:
            self._show()

    def _show(self) -> None:
        line = f"{self._label:<32} {self._done:>3} of {self._total}"
        if not self._live:
            print(line, flush=True)
        else:
            bar = "#" * (self._done * 30 // self._total)
            end = "\n" if self._done == self._total else ""
            print(f"\r{line}  [{bar:<30}]", end=end, flush=True)


@dataclass
class Outcome:
    """What rendering some pages gave, and what it took."""

    texts: dict[str, str]
    requests: int
    seconds: float
    threads: int


async def render_pages(
    url: str,
    codes: list[str],
    run: Callable[[Render, list[str]], Awaitable[None]],
    label: str,
    pools: int,
) -> Outcome:
    """Have `run` render the pages, each by a call of its own of an async function."""
    texts: dict[str, str] = {}
    progress = Progress(label, len(codes))
    async with open_client(url, pools) as client:
        pages = OnlinePages(client)

        async def render(code: str) -> None:
            texts[code] = await with_portal_run_sync(pages.render, code)
            progress.advance()

        async def requests_so_far() -> int:
            return int((await client.get("/requests")).text)

        requests = await requests_so_far()
        start = perf_counter()
        await run(render, codes)
        seconds = perf_counter() - start
        requests = await requests_so_far() - requests
    return Outcome(texts, requests, seconds, threading.active_count())


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns, the first aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  " + "   ".join([row[0].ljust(widths[0]), *list(cells)[1:]]))


def page_table(expected: dict[str, str], runs: dict[str, tuple[Outcome, Outcome]]) -> bool:
    """Print what each framework did; return whether all pages are as expected."""
    rows: dict[str, list[str]] = {}

    def add(row: str, cell: str) -> None:
        rows.setdefault(row, []).append(cell)

    good = True
    for outcome, sample in runs.values():
        serial = sample.seconds / sample.requests * outcome.requests
        measured = len(sample.texts) == len(outcome.texts)
        basis = "measured" if measured else f"estimated from {len(sample.texts)} pages"
        equal = sum(outcome.texts.get(code) == text for code, text in expected.items())
        good = good and equal == len(expected) == len(outcome.texts)
        add("pages", f"{len(outcome.texts)}")
        add("requests", f"{outcome.requests}")
        add("threads", f"{outcome.threads}")
        add(f"wall time, {AT_ONCE}", f"{outcome.seconds:.2f} s")
        add(f"{IN_TURN}, {basis}", f"{serial:.1f} s")
        add("times faster", f"{serial / outcome.seconds:.0f}")
        add("pages equal to the expected text", f"{equal} of {len(expected)}")
    print_table([("", *runs), *((row, *cells) for row, cells in rows.items())])
    return good


def cost_table(costs: dict[str, Cost]) -> None:
    native = costs["native"]
    rows = [("", "event loop round trip", "", "no suspension", "")]
    for name, cost in costs.items():
        call = "await" if name == "native" else "await_()"
        rows.append(
            (
                f"{name} {call}",
                f"{cost.suspending:.2f} us",
                f"{cost.suspending / native.suspending:.2f} x",
                f"{cost.immediate:.3f} us",
                f"{cost.immediate / native.immediate:.1f} x",
            )
        )
    print_table(rows)
    if "greenback" not in costs:
        print("  greenback is not installed here, so it is not in the table")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    available = len(all_codes())
    add = parser.add_argument
    add("--pages", type=int, default=200, metavar="N", help=f"1 to {available} (default: 200)")
    add("--sample", type=int, default=5, metavar="N", help="pages to render one after another")
    add("--delay", type=float, default=0.05, metavar="S", help="seconds before each answer")
    add("--port", type=int, default=0, help="of the server (default: one that is free)")
    add("--show", metavar="CODE", help="print the page of a country, such as NZ, at the end")
    arguments = parser.parse_args()
    if not 1 <= arguments.pages <= available:
        parser.error(f"--pages must be between 1 and {available}")
    if not 1 <= arguments.sample <= arguments.pages:
        parser.error("--sample must be between 1 and the number of pages")
    if not 0 <= arguments.delay <= 10:
        parser.error("--delay must be between 0 and 10 seconds")
    if not 0 <= arguments.port <= 65535:
        parser.error("--port must be between 0 and 65535")
    if arguments.show and arguments.show.upper() not in all_codes()[: arguments.pages]:
        parser.error(f"--show: no page {arguments.show!r} among these; --pages {available} has all")
    return arguments


def run_demo(arguments: argparse.Namespace) -> bool:
    codes = all_codes()[: arguments.pages]
    sample = codes[:: len(codes) // arguments.sample][: arguments.sample]
    expected = expected_pages(codes)
    print(
        f"{len(codes)} pages about countries, by a synchronous Jinja2 template that fetches "
        f"with httpx\nfrom a server that takes {arguments.delay * 1000:.0f} ms to answer. "
        f"Python {platform.python_version()}.\n"
    )
    runs: dict[str, tuple[Outcome, Outcome]] = {}
    # Ctrl-C interrupts a task only where it waits, as on asyncio.
    run_trio = partial(trio.run, restrict_keyboard_interrupt_to_checkpoints=True)
    with running_server(arguments.delay, arguments.port) as url:
        label = "asyncio, {}".format
        runs["asyncio"] = (
            asyncio.run(render_pages(url, codes, all_at_once_on_asyncio, label(AT_ONCE), POOLS)),
            asyncio.run(render_pages(url, sample, one_after_another, label(IN_TURN), 1)),
        )
        label = "Trio, {}".format
        runs["Trio"] = (
            run_trio(render_pages, url, codes, all_at_once_on_trio, label(AT_ONCE), POOLS),
            run_trio(render_pages, url, sample, one_after_another, label(IN_TURN), 1),
        )
    progress = Progress("cost of an await, rounds", ROUNDS)
    costs = measure_costs(progress.advance)

    print("\nThe pages")
    good = page_table(expected, runs)
    print(f"\nWhat an await costs on asyncio (medians of {ROUNDS} rounds)")
    cost_table(costs)
    if arguments.show:
        print(f"\n{runs['asyncio'][0].texts[arguments.show.upper()]}", end="")
    return good


def main() -> None:
    arguments = parse_arguments()
    failure = ""
    try:
        if not run_demo(arguments):
            failure = "some pages are not equal to the expected text"
    except* KeyboardInterrupt:
        failure = "interrupted"
    except* ServerError as group:
        failure = f"the server did not start: {group.exceptions[0]}"
    except* httpx.TransportError:
        failure = "the connection to the server was lost"
    if failure:
        sys.exit(f"\ndemo: {failure}")


if __name__ == "__main__":
    main()
