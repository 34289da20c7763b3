"""What the package is: a plain module of one version, and found where it is installed."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from support.children import SOURCE

import switchback

PACKAGE = Path(switchback.__file__).parent
FRAMEWORKS = ("asyncio", "trio", "greenlet")


def test_it_is_a_plain_module():
    """The interpreter looks names up in these fast; a module of another kind, or one with a
    __getattr__(), takes three times as long."""
    assert type(switchback) is ModuleType
    assert "__getattr__" not in vars(switchback)


def test_so_is_what_passes_for_greenback():
    program = (
        "import switchback; switchback.install_as_greenback(); import greenback, greenback._impl\n"
        "from types import ModuleType\n"
        "assert type(greenback) is ModuleType and '__getattr__' not in vars(greenback)\n"
        # Where stackscope looks for what is not there.
        "assert type(greenback._impl) is ModuleType\n"
        "assert not hasattr(greenback, 'settings')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_its_version_is_that_of_what_is_installed():
    try:
        installed = importlib.metadata.version("switchback")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("it is on sys.path without being installed")
    assert switchback.__version__ == installed


def test_the_version_stands_in_one_place():
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]
    build = (SOURCE / "CMakeLists.txt").read_text()
    assert not re.search(r"project\([^)]*VERSION", build)
    assert switchback.__version__ not in build
    sources = sorted((SOURCE / "python").rglob("*.py"))
    said = [path.name for path in sources if re.search(r"(?m)^__version__\b", path.read_text())]
    assert said == ["__init__.py"]


def test_a_python_started_in_the_checkout_without_an_install_finds_nothing():
    child = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, ''); import switchback"],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.returncode == 1
    assert "No module named 'switchback'" in child.stderr


def test_a_python_started_in_the_checkout_finds_what_is_installed():
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
    program = "import switchback._engine; print(switchback.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=SOURCE,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert Path(found.strip()).parent == PACKAGE


def names_in(path: Path) -> set[str]:
    """The frameworks that a file's code names, in whatever but docstrings and comments."""
    tree = ast.parse(path.read_text())
    documentation = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    words = [
        word
        for node in ast.walk(tree)
        if node not in documentation
        for _, word in ast.iter_fields(node)
        if isinstance(word, str)
    ]
    return {name for name in FRAMEWORKS for word in words if name in word.lower()}


#: File -> what it may name beside its own: which files there are, and a backend.
MAY_NAME = {
    "__init__.py": {"asyncio", "trio"},
    "__main__.py": set(FRAMEWORKS),
    "_frameworks/__init__.py": {"asyncio", "greenlet", "trio"},
    "_refusals.py": {"greenlet"},
    "_settings.py": {"greenlet"},
}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_a_framework_is_named_in_its_own_file_only(path):
    place = path.relative_to(PACKAGE)
    own = {name for name in FRAMEWORKS if f"_frameworks/_{name}" in place.as_posix()}
    assert names_in(path) <= own | MAY_NAME.get(place.as_posix(), set())
