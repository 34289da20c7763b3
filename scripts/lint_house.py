"""The rules of the house that no general tool knows: what may stand in which room, and how.

Run it from the root of the checkout. It prints a line for each breach, and fails if there is one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

#: The rooms of the engine, from the floor up. A room includes itself and those before it.
ROOMS = (
    "core",
    "interpreter",
    "tracing",
    "foreign",
    "timeline",
    "fiber",
    "greenlet",
    "tasks",
    "portal",
    "module",
)

#: Where the name of a framework may stand in code. The task of each is in a file of its own, and
#: listed in one. greenlet is a backend as well, between which portals choose.
FRAMEWORKS = {
    "asyncio": r"tasks/(asyncio|current)_tasks\.|module/module\.cpp",
    "trio": r"tasks/(trio|current)_tasks\.|module/module\.cpp",
    "greenlet": r"greenlet/|tasks/|portal/|module/",
}

MOST_LINES = 400

Breach = tuple[Path, int, str]
Rule = Callable[[], Iterator[Breach]]
rules: list[Rule] = []


def rule(function: Rule) -> Rule:
    rules.append(function)
    return function


def engine() -> list[Path]:
    return sorted(path for path in Path("src").rglob("*.?pp"))


def room_of(path: Path) -> str:
    return path.parts[1]


def code_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a C++ file without comments, and without literals that are prose."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = re.sub(r'"[^"]*\s[^"]*"', '""', line)
        yield number, re.sub(r"//.*", "", line)


def found(paths: list[Path], pattern: str, message: str) -> Iterator[Breach]:
    for path in paths:
        for number, line in code_lines(path):
            if match := re.search(pattern, line):
                yield path, number, f"{match[0]}: {message}"


@rule
def a_room_includes_only_rooms_below_it() -> Iterator[Breach]:
    for path in engine():
        if room_of(path) not in ROOMS:
            yield path, 1, f"{room_of(path)} is not in the list of rooms"
            continue
        allowed = ROOMS[: ROOMS.index(room_of(path)) + 1]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
            if match and match[1] not in allowed:
                yield path, number, f"src/{room_of(path)} may not include src/{match[1]}"


@rule
def the_core_knows_nothing_of_python() -> Iterator[Breach]:
    core = [path for path in engine() if room_of(path) == "core"]
    return found(core, r"Python\.h|\bPy[A-Z]\w+", "src/core knows nothing of Python")


@rule
def the_floors_below_know_no_portal() -> Iterator[Breach]:
    below = [path for path in engine() if room_of(path) not in ("portal", "module")]
    return found(below, r"\w*Portal\w*|\bportal::", "the floors below know no portal")


@rule
def the_name_of_a_framework_stands_in_its_file() -> Iterator[Breach]:
    for name, places in FRAMEWORKS.items():
        elsewhere = [path for path in engine() if not re.match(f"src/({places})", path.as_posix())]
        yield from found(elsewhere, rf"(?i)\w*{name}\w*", f"{name} has files of its own")


@rule
def versions_of_python_are_told_apart_in_the_interpreter_room() -> Iterator[Breach]:
    others = [path for path in engine() if room_of(path) != "interpreter"]
    return found(others, "PY_VERSION_HEX", "is looked at in src/interpreter only")


@rule
def a_list_of_parts_tells_no_versions_apart() -> Iterator[Breach]:
    minors = sorted(Path("src/interpreter").glob("cpython_*.hpp"))
    return found(minors, r"^\s*#\s*if.*", "a minor is a list of its parts")


@rule
def nothing_that_can_enter_python_is_noexcept() -> Iterator[Breach]:
    above = [path for path in engine() if room_of(path) != "core"]
    # A move has to be, for the standard library; it runs nothing.
    pattern = r"^(?!.*&&).*\bnoexcept\b"
    yield from found(above, pattern, "a thread that ends may be unwound through it")
    yield from found(engine(), r"\bcatch\s*\(", "a thread that ends may be unwound through it")


@rule
def one_word_for_a_thread_state_and_one_for_a_module_state() -> Iterator[Breach]:
    words = {"PyThreadState\\*": "thread_state", "ModuleState&": "module_state"}
    for type_name, word in words.items():
        pattern = rf"{type_name} (?:const )?(?!const\b|{word}_?\b)[a-z]\w*(?=[,;)= ])"
        yield from found(engine(), pattern, f"is called {word}")


@rule
def a_source_includes_its_own_header_first() -> Iterator[Breach]:
    for path in engine():
        own = path.with_suffix(".hpp")
        if path.suffix != ".cpp" or not own.exists():
            continue
        first = re.search(r"^\s*#\s*include\s+(.*)$", path.read_text(), re.MULTILINE)
        if first is None or first[1] != f'"{own.relative_to("src").as_posix()}"':
            yield path, 1, "includes its own header first"


@rule
def line_one_says_what_a_file_is_for() -> Iterator[Breach]:
    shells = [*Path("scripts").glob("*.sh"), Path(".ci/run")]
    for path in [*all_code(), *shells]:
        lines = path.read_text().splitlines()
        while lines and (lines[0].startswith("#!") or not lines[0].strip()):
            del lines[0]
        if lines and not re.match(r'(//|#|r?"""|/\*) ?[\w`]', lines[0]):
            yield path, 1, "line 1 says in a sentence what the file is for"


@rule
def no_file_is_too_long() -> Iterator[Breach]:
    for path in all_code():
        length = len(path.read_text().splitlines())
        if length > MOST_LINES:
            yield path, length, f"{length} lines, {MOST_LINES} at most: one clear job a file"


@rule
def lists_of_tests_stand_with_the_tests() -> Iterator[Breach]:
    for path in [*sorted(Path("scripts").glob("*.sh")), Path(".ci/run"), Path("Makefile")]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := re.search(r"\btest_\w+(\.py|::)|\btests/(\w+/)?test_\w+", line):
                yield path, number, f"{match[0]}: what a test needs is a marker on it"


def all_code() -> list[Path]:
    roots = ("src", "include", "python", "tests", "benchmarks", "examples", "scripts")
    return sorted(
        path
        for root in roots
        for path in Path(root).rglob("*")
        if path.suffix in (".py", ".cpp", ".hpp", ".c") and path.is_file()
    )


def main() -> int:
    breaches = 0
    for check in rules:
        for path, line, message in check():
            print(f"{path}:{line}: {message}")
            breaches += 1
    return breaches != 0


if __name__ == "__main__":
    sys.exit(main())
