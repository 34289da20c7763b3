"""What importing the package takes on top of asyncio, and what it imports."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from harness.children import ask, say
from harness.report import How, Limit, Record, markdown, ratio, spread

TITLE = "Import"
LIMIT = 5.0  # milliseconds


def measure(how: How) -> Record:
    rounds = how.rounds or (7 if how.quick else 25)
    names = [name for name in ("switchback", "greenback") if importlib.util.find_spec(name)]
    say(f"  {rounds} processes each ...")
    packages: Record = {name: {"cpu": [], "wall": []} for name in names}
    for _ in range(rounds):
        for name in names:
            answer = ask("imports", name)
            packages[name]["modules"] = answer["modules"]
            for clock in ("cpu", "wall"):
                packages[name][clock].append(round(answer[clock] * 1000, 3))
    return {"packages": packages}


def others(name: str, modules: list[str]) -> list[str]:
    return sorted({module.split(".")[0] for module in modules} - {name})


def tables(record: Record) -> str:
    packages = record["packages"]
    rows = [
        [
            name,
            str(spread(found["cpu"])),
            str(ratio(found["cpu"], packages["switchback"]["cpu"])),
            str(len(found["modules"])),
            ", ".join(others(name, found["modules"])) or "none",
        ]
        for name, found in packages.items()
    ]
    header = ["import, after asyncio", "CPU ms", "/ switchback", "modules", "other packages"]
    return markdown(header, rows)


def limits(record: Record) -> list[Limit]:
    times = record["packages"]["switchback"]["cpu"]
    return [Limit("CPU ms of 'import switchback' after asyncio", "import", LIMIT, spread(times))]


def draw(record: Record, directory: Path) -> None:
    pass
