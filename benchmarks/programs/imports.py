"""Imports a package on top of asyncio; prints the seconds and the new modules, as JSON."""

from __future__ import annotations

import argparse
import asyncio  # noqa: F401  (what a program has that uses any of them)
import importlib
import json
import sys
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package")
    package = parser.parse_args().package
    # The directory of this script is no place to look for it.
    del sys.path[0]
    before = set(sys.modules)
    wall, cpu = time.perf_counter(), time.thread_time()
    importlib.import_module(package)
    passed = {"cpu": time.thread_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps({**passed, "modules": sorted(set(sys.modules) - before)}))


if __name__ == "__main__":
    main()
