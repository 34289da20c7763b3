"""What importing the package imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.in_child_process

FRAMEWORKS = ("asyncio", "trio", "curio", "anyio", "sniffio", "greenback", "greenlet", "outcome")

IMPORT_AND_TELL = """
import json, sys
{first}
before = set(sys.modules)
import switchback
{then}
print(json.dumps(sorted(set(sys.modules) - before)))
"""

USE_WITHOUT_A_FRAMEWORK = """
class Checkpoint:
    def __await__(self):
        return (yield "trap")
portal = switchback.with_portal_run_sync(lambda: switchback.await_(Checkpoint()))
assert portal.send(None) == "trap"
try:
    portal.send("answer")
except StopIteration as stop:
    assert stop.value == "answer"
"""


def new_modules(first: str, then: str = "") -> set[str]:
    """The top-level names that `import switchback` adds, in a process of its own."""
    # Chosen in the environment, the greenlet backend is imported with the package.
    environment = {k: v for k, v in os.environ.items() if k != "SWITCHBACK_BACKEND"}
    program = IMPORT_AND_TELL.format(first=first, then=then)
    output = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        check=True,
        env=environment,
        timeout=60,
    ).stdout
    return {module.partition(".")[0] for module in json.loads(output)}


@pytest.mark.parametrize("then", ["", USE_WITHOUT_A_FRAMEWORK], ids=["import", "use"])
def test_no_framework_is_imported_that_the_program_has_not_imported(then):
    assert new_modules("", then).isdisjoint(FRAMEWORKS)


@pytest.mark.parametrize("framework", ["asyncio", "trio"])
def test_beside_a_framework_nothing_but_the_package_is_imported(framework):
    pytest.importorskip(framework)
    # From Python 3.14 on, asyncio does without typing.
    of_python = {"__future__", "typing", "_typing"}
    assert new_modules(f"import {framework}") <= {"switchback", *of_python}
