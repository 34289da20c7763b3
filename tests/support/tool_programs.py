"""One program as async functions and as synchronous ones in portals, for tools to look at.

Run as a script, with "native" or "portal" and the name of a tool, it prints what the tool has found
as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

NATIVE = """
import asyncio
from switchback import await_, with_portal_run_sync

async def leaf(number):
    await asyncio.sleep(0.001 * (number % 3))
    return number

async def inner(number):
    before = spin(number)
    result = await leaf(number)
    after = before + result
    return after

async def middle(number):
    total = 0
    for step in range(number):
        total += await inner(step)
        if step == 2:
            total += 1
    return total

async def outer(number):
    try:
        first = await middle(number)
        if number == 4:
            raise KeyError(number)
    except KeyError:
        first = await inner(1)
    finally:
        last = await inner(2)
    return first + last

def spin(number):
    return len(bytearray(2000 * number)) + sum(range(20_000 * number))

async def never_called():
    return 1

async def run(number):
    return await outer(number)

async def main():
    return await asyncio.gather(*[run(number) for number in range(6)])

result = asyncio.run(main())
"""

PORTAL = NATIVE
for _name in ("inner", "middle", "outer", "never_called"):
    PORTAL = PORTAL.replace(f"async def {_name}", f"def {_name}")
    PORTAL = PORTAL.replace(f"await {_name}", _name)
PORTAL = PORTAL.replace("await leaf(number)", "await_(leaf(number))")
PORTAL = PORTAL.replace("return outer(number)", "return await with_portal_run_sync(outer, number)")

PROGRAMS = {"native": NATIVE, "portal": PORTAL}
FUNCTIONS = ("leaf", "inner", "middle", "outer", "spin", "run")


def run_program(path: Path) -> None:
    exec(compile(path.read_text(), str(path), "exec"), {})


def calls_in_stats(stats: Any) -> dict[str, Any]:
    return {
        name: entry[:2] for (file, _, name), entry in stats.items() if file.endswith("program.py")
    }


def cprofile(path: Path) -> object:
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    profiler.runcall(run_program, path)
    return calls_in_stats(pstats.Stats(profiler).stats)  # type: ignore[attr-defined]


def profile(path: Path) -> object:
    import profile
    import pstats

    profiler = profile.Profile()
    profiler.runcall(run_program, path)
    return calls_in_stats(pstats.Stats(profiler).stats)  # type: ignore[attr-defined]


def viztracer(path: Path) -> object:
    from viztracer import VizTracer

    tracer = VizTracer(verbose=0)
    tracer.start()
    run_program(path)
    tracer.stop()
    tracer.parse()
    counts = dict.fromkeys(FUNCTIONS, 0)
    for event in tracer.data["traceEvents"]:
        name = event["name"].split(" ")[0]
        if "program.py" in event["name"] and event["ph"] == "X" and name in counts:
            counts[name] += 1
    return counts


def coverage(path: Path, core: str, *, branch: bool) -> object:
    import coverage

    measured = coverage.Coverage(
        data_file=None, branch=branch, config_file=False, include=[str(path)]
    )
    measured.set_option("run:core", core)
    measured.start()
    run_program(path)
    measured.stop()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        measured.json_report(outfile=str(report))
        [file] = json.loads(report.read_text())["files"].values()
    return [file["missing_lines"], file.get("missing_branches")]


def line_profiler(path: Path) -> object:
    import line_profiler as package

    profiler = package.LineProfiler()
    scope: dict[str, Any] = {}
    code = compile(path.read_text().replace("result = asyncio.run(main())", ""), str(path), "exec")
    exec(code, scope)
    for name in ("inner", "middle", "outer"):
        profiler.add_function(scope[name])
    profiler.enable_by_count()
    import asyncio

    asyncio.run(scope["main"]())
    profiler.disable_by_count()
    hits = {}
    for (_, _, name), lines in profiler.get_stats().timings.items():
        hits[name] = [[line, count] for line, count, _ in lines]
    return hits


def memray(path: Path) -> object:
    from memray import AllocatorType, FileReader, Tracker

    frees = (AllocatorType.FREE, AllocatorType.MUNMAP)

    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "allocations.bin")
        with Tracker(output, trace_python_allocators=True):
            run_program(path)
        stacks = set()
        for record in FileReader(output).get_allocation_records():
            if record.allocator in frees:
                continue
            names = [name for name, file, _ in record.stack_trace() if file.endswith("program.py")]
            if names[:1] == ["spin"]:
                stacks.add("/".join(names))
        return sorted(stacks)


def yappi(path: Path) -> object:
    import yappi

    yappi.set_clock_type("cpu")
    yappi.start()
    run_program(path)
    yappi.stop()
    return {
        stat.name: stat.ttot
        for stat in yappi.get_func_stats()
        if stat.module.endswith("program.py") and stat.name in FUNCTIONS
    }


def by_name(name: str) -> Callable[[Path], object]:
    if name.startswith("coverage"):
        _, core, branch = name.split("-")
        return lambda path: coverage(path, core, branch=branch == "branch")
    return globals()[name]


def main(program: str, tool: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program.py")
        path.write_text(PROGRAMS[program])
        print(json.dumps(by_name(tool)(path)))


if __name__ == "__main__":
    main(*sys.argv[1:])
