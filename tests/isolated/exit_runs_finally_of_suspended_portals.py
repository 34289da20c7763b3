"""At the end of the process, portals that a global holds are closed: their `finally` blocks run."""

import asyncio
import subprocess
import sys

from switchback import _engine, await_, ensure_portal, has_portal


def suspend(name):
    try:
        await_(asyncio.Event().wait())
    finally:
        print("finally", name, flush=True)


class Cycle:
    pass


def child():
    global held, task
    held = [_engine.open_call_portal(suspend, (number,)) for number in range(3)]
    held.append(_engine.open_call_portal(deep, (100,)))
    cycle = Cycle()
    cycle.itself = cycle
    cycle.portal = _engine.open_call_portal(suspend, ("cycle",))

    async def start():
        for portal in [*held, cycle.portal]:
            portal.send(None)

    async def of_task():
        await ensure_portal()
        suspend("task")

    async def main():
        global task
        await start()
        task = asyncio.create_task(of_task())
        await asyncio.sleep(0.01)
        assert has_portal(task)
        # So that asyncio.run() does not cancel it.
        asyncio.tasks._unregister_task(task)
        task._log_destroy_pending = False

    asyncio.run(main())
    print("end of main", flush=True)


def deep(levels):
    return deep(levels - 1) if levels else suspend("deep")


if sys.argv[1:] == ["child"]:
    child()
else:
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", __file__, "child"], capture_output=True, text=True
    )
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result
    assert result.stderr == "", result.stderr
    assert lines[0] == "end of main", lines
    expected = [
        "finally 0",
        "finally 1",
        "finally 2",
        "finally cycle",
        "finally deep",
        "finally task",
    ]
    assert sorted(lines[1:]) == expected, lines
