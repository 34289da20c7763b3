"""What a program can set: `switchback.settings`, at first as environment variables say."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, NamedTuple

from . import _engine

BACKEND_VARIABLE = "SWITCHBACK_BACKEND"
STACK_SIZE_VARIABLE = "SWITCHBACK_STACK_SIZE"
DEBUG_VARIABLE = "SWITCHBACK_DEBUG"


class Settings:
    """The settings of this process: `backend`, `stack_size` and `debug`."""

    __slots__ = ()

    @property
    def backend(self) -> str:
        """Which backend portals run on: "auto", "native" or "greenlet".

        "native" has stacks of its own. "greenlet" runs portals in greenlets. "auto" is "native"
        wherever that can be had, in programs that use greenlet as well. `backend_in_use` tells
        where it cannot.

        It is "auto" unless the environment variable SWITCHBACK_BACKEND says otherwise. It can be
        set at any time, and counts for portals whose first step begins after that. Setting it
        raises `ValueError` for another name, `TypeError` for what is not a str, and `RuntimeError`
        for a backend that cannot be had here.
        """
        return _engine.get_backend()

    @backend.setter
    def backend(self, name: str) -> None:
        try:
            _engine.set_backend(name)
        except ImportError as error:
            raise RuntimeError(
                "the greenlet backend needs the package greenlet: 'pip install greenlet'"
            ) from error

    @property
    def stack_size(self) -> int:
        """The bytes of address space that the stack of each portal takes, on the native backend.

        It is 10 MiB unless the environment variable SWITCHBACK_STACK_SIZE says otherwise, in bytes
        or as in "16M". It can be
        set until the first portal begins, from 256 KiB to 1 GiB; to less than 10 MiB from
        CPython 3.14 on. Setting it raises `ValueError` for other sizes, `TypeError` for what is not
        an int, and `RuntimeError` once a portal has begun.
        """
        return _engine.get_stack_size()

    @stack_size.setter
    def stack_size(self, size: int) -> None:
        _engine.set_stack_size(size)

    @property
    def debug(self) -> bool:
        """Whether mistakes in the use of portals are looked for, and told of by `RuntimeWarning`.

        It warns where a portal is suspended while its frames hold a `threading.Lock` or `RLock`;
        where two portals were inside of an extension module at once, and left it in another order;
        and, after a second, of a wait in the thread of an event loop that blocks it. A wait that
        has no end for certain raises `RuntimeError`. `await_` takes many times as long then.

        It is on where the environment variable SWITCHBACK_DEBUG is 1, or with Python's ``-X dev``
        unless that is 0. It can be set at any time, and counts for steps that begin after that.
        Setting it raises `TypeError` for what is not a bool.
        """
        return _engine.has_debug()

    @debug.setter
    def debug(self, is_on: bool) -> None:
        if not isinstance(is_on, bool):
            raise TypeError(f"debug is a bool, not {type(is_on).__name__}")
        if is_on == self.debug:
            return
        from . import _debug  # not with the package, whose import is to be quick

        if is_on:
            _debug.switch_on()
        else:
            _debug.switch_off()

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in NAMES)
        return f"<switchback.settings: {values}>"

    # Hidden from type checkers, which tell the names that there are from those that there are not.
    if not TYPE_CHECKING:

        def __getattr__(self, name):
            raise _no_such_setting(self, name)

        def __setattr__(self, name, value):
            if name not in NAMES:
                raise _no_such_setting(self, name)
            super().__setattr__(name, value)


NAMES = ("backend", "stack_size", "debug")


def _no_such_setting(settings: Settings, name: str) -> AttributeError:
    names = ", ".join(map(repr, NAMES[:-1]))
    return AttributeError(
        f"switchback.settings has no {name!r}, but {names} and {NAMES[-1]!r}",
        name=name,
        obj=settings,
    )


settings = Settings()


class BackendInUse(NamedTuple):
    """What `backend_in_use` returns."""

    #: "native" or "greenlet".
    name: str
    #: The reason, for people to read.
    why: str


def backend_in_use() -> BackendInUse:
    """Return which backend the portals run on that begin now, and why.

    A portal keeps the backend that it began on.
    """
    obstacle = _engine.native_obstacle()
    if obstacle is not None:
        return BackendInUse("greenlet", obstacle)
    if settings.backend != "auto":
        return BackendInUse(settings.backend, "switchback.settings.backend says so")
    obstacle = _engine.greenlet_obstacle()
    if obstacle is not None:
        return BackendInUse("greenlet", obstacle)
    python = f"CPython {sys.version_info.major}.{sys.version_info.minor}"
    if "greenlet" in sys.modules:
        return BackendInUse("native", f"{python} and the program's greenlet are known")
    return BackendInUse("native", f"{python} is known")


def parse_size(text: str) -> int:
    """Return a number of bytes: "65536", or with a unit, "16M" and "16 MiB"."""
    number = text.strip().upper().removesuffix("B").removesuffix("I").rstrip()
    shift = {"K": 10, "M": 20, "G": 30}.get(number[-1:], 0)
    try:
        return int(number[: -1 if shift else None]) << shift
    except ValueError:
        raise ValueError(
            f"the size of a stack is a number of bytes, which K, M or G may follow, not {text!r}"
        ) from None


def read_environment() -> None:
    """Set what environment variables set, and warn where a portal may lack a backend.

    The warning is for the line that imports the package, whose file calls this.
    """
    size = os.environ.get(STACK_SIZE_VARIABLE)
    if size:
        try:
            settings.stack_size = parse_size(size)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{STACK_SIZE_VARIABLE}: {error}") from None
    debug = os.environ.get(DEBUG_VARIABLE)
    if debug not in (None, "", "0", "1"):
        raise ValueError(f"{DEBUG_VARIABLE}: 0 or 1, not {debug!r}")
    if debug == "1" or (sys.flags.dev_mode and debug != "0"):
        settings.debug = True
    chosen = os.environ.get(BACKEND_VARIABLE)
    if chosen:
        try:
            settings.backend = chosen
        except ValueError as error:
            raise ValueError(f"{BACKEND_VARIABLE}: {error}") from None
    elif (obstacle := _engine.native_obstacle()) is not None:
        # Without a choice of the program's own, it has to be told.
        warnings.warn(f"no native backend: {obstacle}", RuntimeWarning, stacklevel=3)
