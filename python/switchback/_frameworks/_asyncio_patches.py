"""asyncio: having its own ways to run a coroutine work inside a running loop; undone at will."""

from __future__ import annotations

import asyncio
import asyncio.base_events
import asyncio.runners
import sys
import types
from collections.abc import Callable
from functools import wraps
from typing import Any

from .. import _engine
from .._watching import Watcher, when_imported
from . import _asyncio_run
from ._asyncio_guests import guest
from ._asyncio_portals import enable, is_enabled
from ._asyncio_run import as_coroutine, run_inside
from ._asyncio_turning import turning

# Owner, name, what was there in its own right (or None), what is there now.
_patched: list[tuple[Any, str, Any, Any]] = []
_loop_types: set[type] = set()
_watchers: list[Watcher] = []


def patch() -> None:
    if _patched:
        return
    if hasattr(asyncio, "_nest_patched"):
        raise RuntimeError(
            "nest_asyncio.apply() has been called in this process, and has changed asyncio for "
            "good: call switchback.install_as_nest_asyncio() before anything imports nest_asyncio, "
            "which then does what switchback.patch_asyncio() does"
        )
    _asyncio_run.turning = turning
    for module in (asyncio, asyncio.runners):
        _replace(module, "run", _asyncio_run_of)
    _replace(asyncio.Runner, "run", _runner_run_of)
    _replace(asyncio.Runner, "close", _runner_close_of)
    _patch_loop_type(asyncio.base_events.BaseEventLoop)
    for name, then in (("uvloop", _patch_uvloop), ("anyio", _patch_anyio)):
        if (watcher := when_imported(name, then)) is not None:
            _watchers.append(watcher)
    loop = asyncio._get_running_loop()
    if loop is not None:
        _prepare(loop)


def unpatch() -> None:
    for watcher in _watchers:
        watcher.remove()
    _watchers.clear()
    while _patched:
        owner, name, found, replacement = _patched.pop()
        # Another may have replaced it meanwhile, who may call ours.
        if vars(owner).get(name) is not replacement:
            continue
        if found is None:
            delattr(owner, name)
        else:
            setattr(owner, name, found)
    _loop_types.clear()
    _asyncio_run.turning = None


def _replace(owner: Any, name: str, replacement_of: Callable[[Any], Any]) -> None:
    original = getattr(owner, name)
    replacement = wraps(original)(replacement_of(original))
    _patched.append((owner, name, vars(owner).get(name), replacement))
    setattr(owner, name, replacement)


def _asyncio_run_of(original: Any) -> Any:
    def run(main: Any, *, loop_factory: Any = None, **options: Any) -> Any:
        loop = asyncio._get_running_loop()
        if loop_factory is not None:
            options["loop_factory"] = loop_factory
        if loop is None:
            return original(main, **options)
        if loop_factory is not None:
            return _run_apart(main, options)
        return run_inside(
            loop, as_coroutine(main, "asyncio.run()"), "asyncio.run()", cancel_leftovers=True
        )

    return run


def _run_apart(main: Any, options: dict[str, Any]) -> Any:
    """Run on the loop that the program makes for it."""
    with asyncio.Runner(**options) as runner:
        return runner.run(as_coroutine(main, "asyncio.run()"))


def _runner_run_of(original: Any) -> Any:
    def run(self: asyncio.Runner, coro: Any, *, context: Any = None) -> Any:
        running = asyncio._get_running_loop()
        if running is None:
            if asyncio.iscoroutine(coro):
                _prepare(self.get_loop())
            return original(self, coro, context=context)
        what = "Runner.run()"
        coroutine = as_coroutine(coro, what)
        try:
            loop = self.get_loop()
        except BaseException:
            coroutine.close()
            raise
        if loop is running:
            return run_inside(loop, coroutine, what, context=context)
        _prepare(loop)
        with guest(loop):
            return original(self, coroutine, context=context)

    return run


def _runner_close_of(original: Any) -> Any:
    def close(self: Any) -> None:
        running = asyncio._get_running_loop()
        loop = getattr(self, "_loop", None)
        if running is None or loop is None or loop is running:
            original(self)
            return
        # What it runs at the end is to find its own loop, as ever.
        with guest(loop):
            original(self)

    return close


def _run_until_complete_of(original: Any) -> Any:
    def run_until_complete(self: Any, future: Any) -> Any:
        running: Any = asyncio._get_running_loop()
        if running is not self:
            if not self.is_closed() and not self.is_running():
                _prepare(self)
            if running is None:
                return original(self, future)
            with guest(self):
                return original(self, future)
        what = "run_until_complete()"
        if not asyncio.isfuture(future):
            return run_inside(self, as_coroutine(future, what), what)
        if _engine.has_active_portal():
            return _engine.await_(future)
        return turning(self, what, future)

    return run_until_complete


def _prepare(loop: Any) -> None:
    """Have a loop as ready as those of the standard library."""
    if not any(issubclass(type(loop), known) for known in _loop_types):
        _patch_loop_type(type(loop))
    if not is_enabled(loop):
        enable(loop)


def _patch_loop_type(loop_type: Any) -> None:
    _loop_types.add(loop_type)
    _replace(loop_type, "run_until_complete", _run_until_complete_of)


def _patch_uvloop() -> None:
    uvloop = sys.modules["uvloop"]

    def run_of(original: Any) -> Any:
        def run(main: Any, **options: Any) -> Any:
            loop = asyncio._get_running_loop()
            if loop is None or "loop_factory" in options:
                return original(main, **options)
            coroutine = as_coroutine(main, "uvloop.run()")
            return run_inside(loop, coroutine, "uvloop.run()", cancel_leftovers=True)

        return run

    _replace(uvloop, "run", run_of)
    _patch_loop_type(uvloop.Loop)


def _patch_anyio() -> None:
    def run_of(original: Any) -> Any:
        def run(func: Any, *args: Any, backend: str = "asyncio", **options: Any) -> Any:
            loop = asyncio._get_running_loop()
            if loop is None or backend != "asyncio":
                return original(func, *args, backend=backend, **options)
            coroutine = as_coroutine(func(*args), "anyio.run()")
            return run_inside(loop, coroutine, "anyio.run()", cancel_leftovers=True)

        return run

    for name in ("anyio", "anyio._core._eventloop"):
        _replace(sys.modules[name], "run", run_of)


def install_as_nest() -> None:
    import switchback

    names = ("nest_asyncio", "nest_asyncio2")
    present = [sys.modules[name] for name in names if name in sys.modules]
    if any(getattr(module, "__switchback__", None) is not switchback for module in present):
        raise RuntimeError(
            "nest_asyncio has been imported already; call switchback.install_as_nest_asyncio() "
            "before the first import of nest_asyncio, such as at the top of the program's main "
            "module"
        )

    def apply(loop: Any = None, **options: Any) -> None:
        """Have asyncio run inside itself, and give portals to the tasks of a loop."""
        patch()
        if loop is None:
            loop = asyncio._get_running_loop()
        if loop is not None and not loop.is_closed():
            _prepare(loop)

    for name in names:
        module = types.ModuleType(name, f"switchback under the name of {name}")
        module.apply = apply  # type: ignore[attr-defined]
        module.__switchback__ = switchback  # type: ignore[attr-defined]
        sys.modules[name] = module
