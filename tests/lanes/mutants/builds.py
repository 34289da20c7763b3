"""Builds the engine with a few files changed: compiles what includes them, reuses all else."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src"


class BuildError(Exception):
    """A change that does not compile proves nothing."""


def _run(command: list[str], directory: Path, path: str) -> str:
    environment = os.environ | {"PATH": path + os.pathsep + os.environ["PATH"]}
    done = subprocess.run(command, cwd=directory, env=environment, text=True, capture_output=True)
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command[:1])}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def _without_dependencies(command: list[str]) -> list[str]:
    """Return a command of the compiler that writes down no dependencies."""
    words = iter(command)
    kept = []
    for word in words:
        if word in ("-MT", "-MF"):
            next(words)
        elif word != "-MD":
            kept.append(word)
    return kept


def _output(command: list[str]) -> str:
    return command[command.index("-o") + 1] if "-o" in command else command[2]


class Build:
    """One configuration of CMake, built once; then any number of variants of it.

    A variant is an overlay: a directory that has the changed files only, and comes first on the
    path of includes.
    """

    def __init__(
        self, directory: Path, tools: Path, target: str, options: list[str], precompiled: str
    ) -> None:
        self._directory = directory
        self._path = str(tools)
        directory.mkdir(parents=True, exist_ok=True)
        generator = ["cmake", "-G", "Ninja", "-S", str(ROOT), "-B", str(directory)]
        # A build type of its own, so that nothing is linked by the slow way of a release.
        fast = ["-DCMAKE_BUILD_TYPE=Mutants", "--log-level=WARNING"]
        _run([*generator, *fast, *options], ROOT, self._path)
        _run(["ninja", target], directory, self._path)
        self._commands = self._read_commands(target)
        self._needs = self._read_dependencies()
        self._precompile(target, precompiled)

    def _precompile(self, target: str, header: str) -> None:
        """Compile the headers of others beforehand: that is most of what a variant has to parse."""
        self._precompiled_for = f"/{target}.dir/"
        self._header = self._directory / "precompiled.hpp"
        self._header.write_text(header)
        [command, *_] = [words for words in self._commands if self._is_precompiled(words)]
        words = _without_dependencies(command)[: -len(["-o", "OUTPUT", "-c", "SOURCE"])]
        output = ["-o", f"{self._header}.gch", "-x", "c++-header", str(self._header)]
        _run([*words, "-w", *output], self._directory, self._path)

    def _is_precompiled(self, command: list[str]) -> bool:
        return "-c" in command and any(self._precompiled_for in f"/{word}" for word in command)

    def _read_commands(self, target: str) -> list[list[str]]:
        lines = _run(["ninja", "-t", "commands", target], self._directory, self._path).splitlines()
        commands = []
        for line in lines:
            # What CMake puts around an archive or a link: ": && command && :".
            for part in line.split(" && "):
                words = shlex.split(part)
                if words and words[0] != ":":
                    commands.append(words)
        return commands

    def _read_dependencies(self) -> dict[str, set[str]]:
        """Return for each object file what it was made of, as names relative to src/."""
        needs: dict[str, set[str]] = {}
        for line in _run(["ninja", "-t", "deps"], self._directory, self._path).splitlines():
            if line and not line.startswith(" "):
                current = needs.setdefault(line.partition(":")[0], set())
            elif line.strip():
                path = (self._directory / line.strip()).resolve()
                if path.is_relative_to(SOURCE):
                    current.add(str(path.relative_to(SOURCE)))
        return needs

    @property
    def product(self) -> Path:
        """What was built of the source as it is."""
        return self._directory / _output(self._commands[-1])

    def make(self, changed: dict[str, str], variant: Path, tests: set[str] | None = None) -> Path:
        """Build with the texts in `changed`; return the file that the target is, in `variant`.

        Of the files of C++ tests, those in `tests` only, if told.
        """
        left_out = {
            word
            for command in self._commands
            for word in command
            if tests is not None and word.endswith("_test.cpp.o") and Path(word).stem not in tests
        }
        shutil.rmtree(variant, ignore_errors=True)
        overlay = variant / "src"
        for name, text in changed.items():
            (overlay / name).parent.mkdir(parents=True, exist_ok=True)
            (overlay / name).write_text(text)
        moved: dict[str, str] = {}  # what is made anew -> where
        result = None
        for command in self._commands:
            if "-E" in command or command[0].endswith("ranlib"):
                continue  # what CMake does before and after an archive is made
            output = _output(command)
            if output in left_out:
                continue
            compiled = "-c" in command
            if compiled and not (self._needs.get(output, set()) & changed.keys()):
                continue
            if not compiled and not any(word in moved for word in command):
                continue
            target = variant / "out" / output
            target.parent.mkdir(parents=True, exist_ok=True)
            moved[output] = str(target)
            words = [moved.get(word, word) for word in command if word not in left_out]
            if compiled and self._is_precompiled(command):
                words[1:1] = ["-include", str(self._header)]
            if compiled:
                words = self._with_overlay(words, overlay, changed)
            _run(words, self._directory, self._path)
            result = target
        if result is None:
            raise BuildError(f"nothing is built from {', '.join(changed)}")
        return result

    def _with_overlay(self, words: list[str], overlay: Path, changed: dict[str, str]) -> list[str]:
        taken = []
        for word in _without_dependencies(words):
            if word == f"-I{SOURCE}":
                taken.append(f"-I{overlay}")
            path = Path(word)
            if path.is_absolute() and path.is_relative_to(SOURCE):
                name = str(path.relative_to(SOURCE))
                if name in changed:
                    word = str(overlay / name)
            taken.append(word)
        return [*taken, "-w"]


def engine(minor: str) -> Build:
    """The extension module for one minor, compiled quickly."""
    venv = ROOT / ".venvs" / minor
    options = [
        "-DCMAKE_CXX_FLAGS_MUTANTS=-O1 -DNDEBUG",
        f"-DPython_EXECUTABLE={venv / 'bin' / 'python'}",
    ]
    directory = ROOT / "build" / "mutants" / minor
    header = (
        "#define PY_SSIZE_T_CLEAN\n#include <Python.h>\n#include <atomic>\n#include <utility>\n"
    )
    return Build(directory, venv / "bin", "_engine", options, header)


def core_tests(minor: str) -> Build:
    """The C++ tests of src/core, with assertions; CMake comes from that minor's environment."""
    options = [
        "-DSWITCHBACK_MODULE=OFF",
        "-DSWITCHBACK_TESTS=ON",
        "-DCMAKE_CXX_FLAGS_MUTANTS=-O1",
    ]
    directory = ROOT / "build" / "mutants" / "core"
    header = "#include <gtest/gtest.h>\n#include <functional>\n"
    tools = ROOT / ".venvs" / minor / "bin"
    return Build(directory, tools, "switchback_core_tests", options, header)
