"""Calls of a library that are under way in suspended portals go on in a child process as well."""

import os
import tempfile
from pathlib import Path

from support.calls_under_way import KINDS, build, end_out_of_order, load, portal_in

DIRECTORY = Path(tempfile.mkdtemp())

libraries = [load(build(DIRECTORY / f"{number}.so", kind)) for number, kind in enumerate(KINDS)]
portals = [portal_in(library, number) for library in libraries for number in range(1, 6)]
child = os.fork()
ends = end_out_of_order(portals)
assert ends == [("done", True)] * len(portals), ends
assert [library.under_way() for library in libraries] == [0] * len(libraries)
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
