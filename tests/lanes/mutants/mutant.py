"""What a mutant is: a small named change of the engine that some test has to notice."""

from __future__ import annotations

import dataclasses
from pathlib import Path

MINORS = ("3.11", "3.12", "3.13", "3.14", "3.15")


class StaleError(Exception):
    """The text that a mutant replaces does not occur exactly once."""


@dataclasses.dataclass(frozen=True)
class Change:
    """Replaces `find` by `replace` in a file under src/."""

    file: str
    find: str
    replace: str

    def apply(self, text: str) -> str:
        count = text.count(self.find)
        if count != 1:
            raise StaleError(f"in src/{self.file}, {count} times: {self.find!r}")
        return text.replace(self.find, self.replace)


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change, or several that only together are one, and what has to notice it."""

    name: str  # a sentence with underscores, which says what the engine does wrong then
    breaks: str  # one line: what a program would see of it
    changes: tuple[Change, ...]
    # Run first: names of test functions, stems of scripts in tests/isolated, or "Suite.name" of the
    # C++ tests. One of them fails.
    killed_by: tuple[str, ...]
    minors: tuple[str, ...] = MINORS  # where the changed code is compiled and used
    quick: bool = False  # whether the short run has it
    backend: str = "native"  # SWITCHBACK_BACKEND of the tests
    environment: tuple[tuple[str, str], ...] = ()

    def apply(self, source: Path) -> dict[str, str]:
        """Return the changed files of the tree `source`: their names and texts."""
        changed: dict[str, str] = {}
        for change in self.changes:
            path = source / change.file
            if not path.exists():
                raise StaleError(f"there is no src/{change.file}")
            text = changed.get(change.file) or path.read_text()
            changed[change.file] = change.apply(text)
        return changed

    @property
    def core_tests(self) -> list[str]:
        return [test for test in self.killed_by if "." in test]

    @property
    def python_tests(self) -> list[str]:
        return [test for test in self.killed_by if "." not in test]


class Room:
    """Collects the mutants of one room, each added by a call that reads like a sentence."""

    def __init__(self) -> None:
        self.mutants: list[Mutant] = []

    def add(
        self,
        name: str,
        breaks: str,
        file: str,
        find: str,
        replace: str,
        *more: tuple[str, str, str],
        killed_by: tuple[str, ...],
        minors: tuple[str, ...] = MINORS,
        **settings: object,
    ) -> None:
        changes = (Change(file, find, replace), *(Change(*other) for other in more))
        self.mutants.append(Mutant(name, breaks, changes, killed_by, minors, **settings))  # type: ignore[arg-type]
