"""greenlet, which has no tasks: what is told apart is whether it goes together with our stacks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .. import _engine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

REFUSAL = (
    "await_() was called inside a greenlet that the portal's code has started, and cannot suspend "
    "it: this portal has a stack of its own, and {obstacle}. Set switchback.settings.backend to "
    "'greenlet' before the portal begins; or call await_() outside of that greenlet"
)


def in_greenlet_of_a_step() -> bool:
    """Return whether a portal's step has switched to a greenlet, and nothing else has changed."""
    return _engine.changed_frameworks() == [_engine.GREENLET]


def refusal() -> str:
    return REFUSAL.format(obstacle=_engine.greenlet_obstacle())


def watch_imports() -> None:
    """Take greenlet over, or do so as soon as the program imports it.

    Not later: the code that imports it may start greenlets at once, on a stack of ours.
    """
    if "greenlet" in sys.modules:
        _engine.take_over_greenlet()
    elif _engine.native_obstacle() is None:
        sys.meta_path.insert(0, _Watcher())


class _Watcher:
    """A finder on `sys.meta_path`, which finds greenlet as the others there do."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "greenlet":
            return None
        for finder in sys.meta_path:
            find_spec = getattr(finder, "find_spec", None)
            if finder is self or find_spec is None:
                continue
            spec: ModuleSpec | None = find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Stands in for a loader while it makes its module, of which no trace is left then."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _engine.take_over_greenlet()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
