"""A library that is loaded in a step and used at once: its first call is right already."""

# mark: not_under tsan: ThreadSanitizer's own loader takes the thread-locals of new libraries

import importlib.util
import sys
import tempfile
from pathlib import Path

from support.by_hand import finish, suspended
from support.calls_under_way import build, load, wait

DIRECTORY = Path(tempfile.mkdtemp())


def used_at_once(kind):
    place = DIRECTORY / f"{kind.replace(' ', '_')}.so"
    build(place, kind)
    return load(place)


def portals_that_load(kind):
    seen = []

    def work(number):
        library = used_at_once(kind)
        seen.append(library)
        return library.call_back(number, wait)

    first, second = suspended(work, 1), suspended(work, 2)
    assert seen[0].under_way() == 0, kind
    assert finish(first) == ("done", True), kind
    assert finish(second) == ("done", True), kind


def portals_that_import():
    name = "with_a_key"
    place = build(DIRECTORY / f"{name}.so", "key", f"-DMODULE={name}")

    def work():
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, place)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
        return sys.modules[name].call_back(wait)

    first = suspended(work)
    assert load(place).under_way() == 0
    second = suspended(work)
    assert finish(first) == ("done", True)
    assert finish(second) == ("done", True)


# First: that of a key is noticed as sys.modules has changed, where nothing is watched so far.
portals_that_import()
portals_that_load("thread-local")
portals_that_load("fixed place")
