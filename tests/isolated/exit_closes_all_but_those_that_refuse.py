"""A portal that refuses to close at the end of the process does not keep the others from it."""

import subprocess
import sys

from support.by_hand import trap

from switchback import _engine, await_


def good(number):
    try:
        await_(trap())
    finally:
        print("finally", number, flush=True)


def awaits_in_finally():
    try:
        await_(trap())
    finally:
        await_(trap())


def never_gives_in():
    while True:
        try:
            await_(trap())
        except GeneratorExit:
            pass


def starts_another():
    try:
        await_(trap())
    finally:
        held.append(start(good, "late"))


def start(function, *args):
    portal = _engine.open_call_portal(function, args)
    portal.send(None)
    return portal


def child():
    global held
    held = [start(good, 0), start(awaits_in_finally), start(good, 1), start(never_gives_in)]
    held += [start(good, 2), start(starts_another), start(good, 3)]


if sys.argv[1:] == ["child"]:
    child()
else:
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", __file__, "child"], capture_output=True, text=True
    )
    assert result.returncode == 0, result
    finallys = sorted(line.split()[1] for line in result.stdout.splitlines())
    assert finallys == ["0", "1", "2", "3", "late"], result
    assert "coroutine ignored GeneratorExit" in result.stderr, result
