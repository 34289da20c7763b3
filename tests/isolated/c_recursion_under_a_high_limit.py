"""With a recursion limit out of reach, C recursion in a portal still ends where it does outside."""

import asyncio
import re
import subprocess
import sys

from switchback import with_portal_run_sync


class Unequal:
    def __lt__(self, other):
        count[0] += 1
        return self < other


def by_sort(_=None):
    count[0] += 1
    sorted([1], key=by_sort)


def by_sub(_=None):
    count[0] += 1
    return re.sub("a", by_sub, "a")


CASES = {"sort": by_sort, "sub": by_sub, "compare": lambda: Unequal() < Unequal()}
count = [0]


def child(name, where):
    sys.setrecursionlimit(1_000_000)

    def recurse():
        try:
            CASES[name]()
        except RecursionError:
            print(count[0])

    if where == "native":
        recurse()
    else:
        asyncio.run(with_portal_run_sync(recurse))


def run(name, where):
    return subprocess.run([sys.executable, __file__, name, where], capture_output=True, text=True)


if len(sys.argv) > 1:
    child(*sys.argv[1:])
else:
    compared = 0
    for name in CASES:
        native = run(name, "native")
        if native.returncode != 0:
            continue  # a crash by itself: there is nothing to be as good as
        compared += 1
        in_portal = run(name, "portal")
        assert in_portal.returncode == 0, (name, in_portal)
        assert int(in_portal.stdout) > 0.9 * int(native.stdout), (name, native, in_portal)
    if not compared:
        print("no C recursion survives a limit of a million on this interpreter")
        sys.exit(77)
