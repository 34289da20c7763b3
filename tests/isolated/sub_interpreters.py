"""Sub-interpreters of either kind are refused in plain words, and harmless inside a portal."""

import os
import sys
import threading

from support.by_hand import trap

from switchback import _engine, await_

try:
    import _testcapi

    if sys.version_info >= (3, 13):
        import _interpreters as interpreters
    else:
        import _xxsubinterpreters as interpreters
except ImportError as error:
    print(error)
    sys.exit(77)

PROBE = """
import sys
sys.path[:0] = {path!r}
try:
    import switchback
except ImportError as error:
    text = str(error)
else:
    text = "imported"
with open({out}, "w") as file:
    file.write(text)
"""


def run_sharing(code):
    """Run code in an interpreter that shares the GIL, and may import any extension module."""
    assert _testcapi.run_in_subinterp(code) == 0


def run_isolated(code):
    """Run code in an interpreter with a GIL of its own, from Python 3.12 on."""
    interpreter = interpreters.create()
    assert interpreters.run_string(interpreter, code) is None
    interpreters.destroy(interpreter)


def import_in(run):
    reader, writer = os.pipe()
    run(PROBE.format(path=sys.path, out=writer))
    with open(reader) as file:
        return file.read()


def check():
    ours = "switchback does not support sub-interpreters: import it in the main one"
    of_python = "module switchback._engine does not support loading in subinterpreters"
    assert import_in(run_sharing) == ours
    assert import_in(run_isolated) == (of_python if sys.version_info >= (3, 12) else ours)
    # C code, Python code and threads of another interpreter on the stack of a portal.
    for run in (run_sharing, run_isolated):
        run("import json; json.dumps([[[]]]); sorted([2, 1], key=lambda item: item)")
    run_sharing(
        "import threading as t; a = t.Thread(target=sorted, args=([],)); a.start(); a.join()"
    )


def in_a_portal():
    await_(trap())
    check()
    value = await_(trap())
    check()
    return value


def work():
    check()
    portal = _engine.open_call_portal(in_a_portal, ())
    assert portal.send(None) == "trap"
    check()
    assert portal.send(None) == "trap"
    try:
        portal.send("value")
    except StopIteration as stop:
        assert stop.value == "value"
    else:
        raise AssertionError("suspended again")


work()
thread = threading.Thread(target=work)
thread.start()
thread.join()
