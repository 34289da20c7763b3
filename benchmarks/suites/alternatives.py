"""One job by every way that a user has to get async results from synchronous code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.children import ChildFailure, Worker, say
from harness.report import How, Limit, Record, markdown, number, ratio, spread

TITLE = "Alternatives"

BRIDGES = {
    "native": "native: async functions throughout",
    "switchback": "Switchback: with_portal_run_sync, await_",
    "greenback": "greenback: with_portal_run_sync, await_",
    "sqlalchemy": "SQLAlchemy: greenlet_spawn, await_only",
    "asgiref": "asgiref: sync_to_async, async_to_sync",
    "anyio": "anyio: to_thread.run_sync, from_thread.run",
    "threadsafe": "asyncio: run_in_executor, run_coroutine_threadsafe",
    "nest_asyncio": "nest_asyncio: loop.run_until_complete",
    "gevent": "gevent, no asyncio: a program written for it",
}
TOGETHER = 1000
BLOCK = 0.004  # seconds


def measure(how: How) -> Record:
    rounds = how.rounds or (8 if how.quick else 40)
    workers: dict[str, Worker] = {}
    record: Record = {"rounds": rounds, "bridges": {}}
    say(f"  {len(BRIDGES)} ways, {rounds} rounds ...")
    try:
        for name in BRIDGES:
            workers[name] = Worker("bridges", name)
            answer = workers[name].answer()
            if "missing" in answer:
                record["bridges"][name] = {"missing": f"{answer['missing']} is not installed"}
                workers.pop(name).end()
        # At once first: in a process that is new, memory is what it takes, not what is kept.
        crowds = 2 if how.quick else 6
        together = {name: at_once(name, worker, crowds) for name, worker in workers.items()}
        one_by_one = {
            request: take_turns(workers, request, rounds) for request in ("jobs", "awaits")
        }
    finally:
        for worker in workers.values():
            worker.end()
    for name in workers:
        record["bridges"][name] = {
            "at once": together[name],
            **{request: one_by_one[request][name] for request in one_by_one},
        }
    return record


def at_once(name: str, worker: Worker, rounds: int) -> Record:
    """Seconds for all jobs to end, by round; or how many at most do."""
    if name != "nest_asyncio":
        answers = [worker.ask("at once", TOGETHER, seconds=60) for _ in range(rounds)]
        return {
            "wall": [answer["wall"] for answer in answers],
            "cpu": [answer["cpu"] for answer in answers],
            "each": answers[0]["each"],
        }
    # Its loops run inside each other: how many is a question of the recursion limit.
    reached = 0
    for count in (10, 50, 100, 200, 500, TOGETHER):
        other = Worker("bridges", name)
        try:
            other.answer()
            if "failed" in other.ask("at once", count, seconds=5):
                break
        except ChildFailure:
            break
        finally:
            other.end()
        reached = count
    return {"reached": reached}


def take_turns(workers: dict[str, Worker], request: str, rounds: int) -> dict[str, Any]:
    """Seconds for one, by round; in a round everyone has a turn."""
    counts = {}
    for name, worker in workers.items():
        count = 20
        worker.ask(request, count)
        while (seconds := worker.ask(request, count)["wall"]) < BLOCK / 4:
            count *= 2
        counts[name] = max(1, round(count * BLOCK / seconds))
    found: dict[str, Any] = {name: {"wall": [], "cpu": []} for name in workers}
    names = list(workers)
    for number_of_round in range(rounds):
        start = number_of_round % len(names)
        for name in names[start:] + names[:start]:
            answer = workers[name].ask(request, counts[name])
            for clock in ("wall", "cpu"):
                found[name][clock].append(float(f"{answer[clock] / counts[name]:.5g}"))
    return found


def tables(record: Record) -> str:
    bridges = record["bridges"]
    native = bridges["native"]
    rows = []
    for name, text in BRIDGES.items():
        bridge = bridges[name]
        if "missing" in bridge:
            rows.append([text, bridge["missing"], *["-"] * 6])
            continue

        def over_native(request: str, clock: str, bridge: Record = bridge) -> str:
            return str(ratio(bridge[request][clock], native[request][clock]))

        crowd = bridge["at once"]
        rows.append(
            [
                text,
                number(spread(bridge["jobs"]["cpu"]).median * 1e6),
                over_native("jobs", "cpu"),
                over_native("jobs", "wall"),
                number(spread(bridge["awaits"]["cpu"]).median * 1e6),
                over_native("awaits", "cpu"),
                *(
                    (number(spread(crowd["cpu"]).median * 1e3), number(memory_each(crowd)))
                    if "cpu" in crowd
                    else (f"{crowd['reached']} at most", "-")
                ),
            ]
        )
    header = ["way", "one job, us", "/ native", "time of day / native"]
    header += ["one more await, us", "/ native", f"{TOGETHER:,} at once, ms", "bytes each"]
    text = (
        "The job: under a running event loop, a synchronous function is called that needs the"
        " result of an async operation, which suspends once. One job is the call with one await;"
        " one more await is what each further one in the same call takes. At once: all jobs are"
        " suspended before the first one goes on; the ways through threads have as many threads."
        " Bytes are resident memory and page tables. Times are processor time of all threads,"
        " where it does not say time of day."
    )
    return f"{text}\n\n{markdown(header, rows)}"


def memory_each(crowd: Record) -> float:
    each: dict[str, float] = crowd["each"]
    return sum(each.values())


def limits(record: Record) -> list[Limit]:
    return []


def draw(record: Record, directory: Path) -> None:
    from harness.charts import Bar, bars

    def bar(name: str, times: Sequence[float] | None, factor: float) -> Bar:
        bridge = record["bridges"][name]
        if times is None:
            reason = bridge.get("missing") or f"{bridge['at once'].get('reached')} at most"
            return Bar(BRIDGES[name], None, reason)
        return Bar(BRIDGES[name], spread(times).times(factor))

    def panel(request: str, factor: float) -> list[Bar]:
        return [
            bar(name, record["bridges"][name].get(request, {}).get("cpu"), factor)
            for name in BRIDGES
        ]

    bars(
        {
            "one job: microseconds": panel("jobs", 1e6),
            "one more await: microseconds": panel("awaits", 1e6),
            f"{TOGETHER:,} jobs at once: milliseconds": panel("at once", 1e3),
        },
        "One job by every way: processor time (log scales, shorter is better)",
        directory / "alternatives.svg",
        log=True,
    )
