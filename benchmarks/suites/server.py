"""Requests a second of a Starlette application whose handlers call a synchronous layer."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from harness.children import PROGRAMS, Worker, memory_of, run, say
from harness.report import How, Limit, Record, Spread, markdown, number, ratio, spread

TITLE = "A server"

VARIANTS = {
    "async": "native: async handlers, async layer",
    "async again": "the same once more: what differs by itself",
    "async, enabled": "Switchback: the same, with a portal for every task",
    "switchback": "Switchback: async handlers, sync layer that awaits",
    "greenback": "greenback: async handlers, sync layer that awaits",
    "threads": "threads: sync handlers, from_thread.run",
    "threads, blocking": "threads: sync handlers, blocking queries",
}
CONNECTIONS = 64
SECONDS = 1
LIMIT = 0.97
ENABLED_LIMIT = 0.98


def processor_seconds(pid: int) -> float:
    """What all threads of a process have used; those of a pool last as long as the load."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def load(port: int, seconds: float) -> Record:
    output, _ = run(
        [
            *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "10s"),
            *("-s", str(PROGRAMS / "wrk_report.lua"), f"http://127.0.0.1:{port}/pages/home"),
        ],
        seconds=seconds + 30,
    )
    found: Record = json.loads(output.splitlines()[-1])
    assert found["errors"] == 0, found
    return found


def measure_generation(variants: dict[str, Record], rounds: int) -> None:
    """Measure with new processes; those of the same program differ among themselves as well."""
    servers: dict[str, Worker] = {}
    ports: dict[str, int] = {}
    try:
        for name, found in variants.items():
            if "missing" in found:
                continue
            servers[name] = Worker("served", name.removesuffix(" again"))
            answer = servers[name].answer(30)
            if "missing" in answer:
                variants[name] = {"missing": f"{answer['missing']} is not installed"}
                servers.pop(name).end()
                continue
            ports[name] = answer["port"]
            load(ports[name], SECONDS)
        order = list(servers)
        for number_of_round in range(rounds):
            for name in order if number_of_round % 2 == 0 else reversed(order):
                before = processor_seconds(servers[name].pid)
                reply = load(ports[name], SECONDS)
                used = processor_seconds(servers[name].pid) - before
                variants[name]["rounds"].append(
                    {
                        "requests per second": reply["requests"] / reply["microseconds"] * 1e6,
                        "processor seconds per request": used / reply["requests"],
                        "p50": reply["p50"] / 1000,
                        "p99": reply["p99"] / 1000,
                    }
                )
            time.sleep(0.05)
        for name, server in servers.items():
            variants[name]["memory"] = memory_of(server.pid)
    finally:
        for server in servers.values():
            server.end()


def measure(how: How) -> Record:
    if shutil.which("wrk") is None:
        return {"missing": "wrk is not installed"}
    generations = 1 if how.quick else 5
    rounds = how.rounds or (3 if how.quick else 4)
    names = ["async", "async, enabled", "switchback"] if how.quick else list(VARIANTS)
    say(f"  {len(names)} servers, started {generations} times, {rounds} rounds of {SECONDS} s ...")
    variants: dict[str, Record] = {name: {"rounds": []} for name in names}
    for _ in range(generations):
        measure_generation(variants, rounds)
    return {
        "connections": CONNECTIONS,
        "seconds": SECONDS,
        "generations": generations,
        "variants": variants,
    }


def column(record: Record, variant: str, figure: str) -> list[float]:
    return [one[figure] for one in record["variants"][variant]["rounds"]]


def ratio_to_async(record: Record, variant: str, figure: str) -> Spread:
    return ratio(column(record, variant, figure), column(record, "async", figure))


def measured(record: Record) -> list[str]:
    return [name for name, found in record.get("variants", {}).items() if "rounds" in found]


def tables(record: Record) -> str:
    if "missing" in record:
        return f"Not measured: {record['missing']}."
    rows = []
    for name, found in record["variants"].items():
        if "missing" in found:
            rows.append([VARIANTS[name], found["missing"], *["-"] * 6])
            continue
        rate = spread(column(record, name, "requests per second"))
        rows.append(
            [
                VARIANTS[name],
                number(rate.median),
                str(ratio_to_async(record, name, "requests per second")),
                number(spread(column(record, name, "processor seconds per request")).median * 1e6),
                str(ratio_to_async(record, name, "processor seconds per request")),
                *(
                    f"{spread(column(record, name, figure)).median:.1f}"
                    for figure in ("p50", "p99")
                ),
                f"{found['memory'] / 1e6:.1f}",
            ]
        )
    header = ["handlers", "requests/s", "/ async", "CPU us/request", "/ async"]
    header += ["p50 ms", "p99 ms", "MB"]
    text = (
        f"Starlette under uvicorn, {record['connections']} connections of wrk on loopback; every"
        " request needs three results of an async operation, one after another. The servers take"
        f" turns, {record['seconds']} s each; ratios are within a round. All are started anew"
        f" {record['generations']} times."
    )
    return f"{text}\n\n{markdown(header, rows)}"


def limits(record: Record) -> list[Limit]:
    wanted = {
        "switchback": ("requests per second: sync layer / all async", LIMIT),
        "async, enabled": ("the same, all async: a portal for every task / none", ENABLED_LIMIT),
    }
    there = set(measured(record))
    if "async" not in there:
        return []
    return [
        Limit(
            title,
            "Starlette",
            bound,
            ratio_to_async(record, name, "requests per second"),
            at_least=True,
        )
        for name, (title, bound) in wanted.items()
        if name in there
    ]


def draw(record: Record, directory: Path) -> None:
    names = measured(record)
    if not names:
        return
    from harness.charts import Bar, bars

    def panel(figure: str, factor: float = 1.0) -> list[Bar]:
        return [
            Bar(VARIANTS[name], spread(column(record, name, figure)).times(factor))
            for name in names
        ]

    bars(
        {
            "requests a second (longer is better)": panel("requests per second"),
            "processor time for a request: microseconds": panel(
                "processor seconds per request", 1e6
            ),
            "99 % of the answers within: milliseconds": panel("p99"),
        },
        f"A server under load of {CONNECTIONS} connections",
        directory / "server.svg",
        log=False,
    )
