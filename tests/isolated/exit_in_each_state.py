"""The process ends, by each way and with portals in each state: `finally` runs where it can."""

# mark: not_under tsan: ThreadSanitizer does not let a thread end on a stack of ours

import itertools
import os
import subprocess
import sys
import threading

from support.by_hand import trap

import switchback
from switchback import _engine, await_

SUSPENDED = ["sync", *(f"{kind} {n}" for n in range(1, 6) for kind in ("sync", "async"))]


def note(name):
    # Not print(): also when the module's globals are being dropped.
    os.write(1, f"finally {name}\n".encode())


async def native(name):
    try:
        await trap()
    finally:
        note(name)


def sync(name):
    try:
        await_(trap())
    finally:
        note(name)


async def nested_async(level):
    try:
        if level == 5:
            await trap()
        else:
            nested_sync(level + 1)
    finally:
        note(f"async {level}")


def nested_sync(level):
    try:
        await_(nested_async(level))
    finally:
        note(f"sync {level}")


def fail():
    await_(trap())
    raise KeyError


def ended(function):
    portal = start(_engine.open_call_portal(function, ()))
    try:
        portal.send(None)
    except (StopIteration, KeyError):
        pass
    return portal


def start(coroutine):
    coroutine.send(None)
    return coroutine


def portals():
    return [
        _engine.open_call_portal(sync, ("never started",)),
        start(_engine.open_portal(native("native"))),
        start(_engine.open_call_portal(sync, ("sync",))),
        start(_engine.open_call_portal(nested_sync, (1,))),
        ended(lambda: await_(trap())),
        ended(fail),
    ]


def leave(way):
    if way == "sys.exit":
        sys.exit(7)
    if way == "os._exit":
        os._exit(7)
    if way == "uncaught":
        raise LookupError("uncaught")


def run_for_ever(ready):
    portal = _engine.open_call_portal(step_for_ever, ())
    # The interpreter stops the thread in the middle of it: what it has suspended stays so.
    suspended = portals()
    portal.send(None)
    ready.set()
    while suspended:
        portal.send(None)


def step_for_ever():
    while True:
        await_(trap())


def child(way, where, threads):
    global held
    held = [*portals(), start(native("without a portal"))]
    if threads == "daemons":
        for _ in range(3):
            ready = threading.Event()
            threading.Thread(target=run_for_ever, args=(ready,), daemon=True).start()
            ready.wait()
    if where == "running":
        held.append(_engine.open_call_portal(leave, (way,)))
        try:
            held[-1].send(None)
        except StopIteration:
            pass
    else:
        leave(way)


CODES = {"return": 0, "sys.exit": 7, "os._exit": 7, "uncaught": 1}

if len(sys.argv) > 1:
    child(*sys.argv[1:])
else:
    # Up to Python 3.13 a daemon thread ends by being unwound, without the GIL. greenlet drops
    # references then, in whatever greenlet switches meanwhile, which may crash the process.
    crashes = switchback.settings.backend == "greenlet" and sys.version_info < (3, 14)
    threads_kinds = ("alone",) if crashes else ("alone", "daemons")
    cases = itertools.product(CODES, ("outside", "running"), threads_kinds)
    for way, where, threads in cases:
        result = subprocess.run(
            [sys.executable, "-X", "faulthandler", __file__, way, where, threads],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == CODES[way], (way, where, threads, result)
        lines = sorted(line.removeprefix("finally ") for line in result.stdout.splitlines())
        # A coroutine that is suspended in an `await` of its own needs no portal to be closed.
        assert ("native" in lines) == ("without a portal" in lines), (way, where, threads, lines)
        lines = [line for line in lines if line not in ("native", "without a portal")]
        expected = [] if way == "os._exit" else sorted(SUSPENDED)
        assert lines == expected, (way, where, threads, lines)
        assert ("LookupError: uncaught" in result.stderr) == (way == "uncaught"), result.stderr
        assert "ignored" not in result.stderr, (way, where, threads, result.stderr)
        assert result.stderr == "" or way == "uncaught", (way, where, threads, result.stderr)
