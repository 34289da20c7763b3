"""asyncio: what is public of running whole programs; imports asyncio only when it is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from .. import _engine
from .._refusals import CO_COROUTINE
from . import current_task

if TYPE_CHECKING:
    import asyncio
    from contextvars import Context
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


def run(
    main: Awaitable[T],
    *,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Run a coroutine and return its result, wherever this is called.

    Where no event loop runs, it is ``asyncio.run(main, debug=debug, loop_factory=loop_factory)``
    with a portal for each task: ``loop_factory=uvloop.new_event_loop`` has it on uvloop.

    In a synchronous function below a running loop it runs `main` on that loop, as a task of its
    own, and waits for it as `await_` does. The loop and all other tasks go on; calls inside of one
    another may end in any order. Tasks that `main` leaves running are cancelled as it ends. `debug`
    and `loop_factory` mean nothing there. In a Trio task it is ``await_(main)``.

    It is a checkpoint where it waits. Raises what `main` raises, `NoPortalError` inside a loop
    where there is no portal, `TypeError` for what is no awaitable, and `RecursionError` where calls
    are nested without end.
    """
    found = current_task()
    if found is not None and found[0].name != "asyncio":
        return _engine.await_(main)
    from . import _asyncio_run

    return _asyncio_run.run(main, debug=debug, loop_factory=loop_factory)


class Runner:
    """An `asyncio.Runner` with a portal for each task that its event loop creates.

    ``with Runner(loop_factory=uvloop.new_event_loop) as runner: runner.run(main())``. Parameters,
    methods and errors are those of `asyncio.Runner`.
    """

    def __init__(
        self,
        *,
        debug: bool | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        # Not with the package, whose import imports no framework.
        from . import _asyncio_run

        self._runner = _asyncio_run.Runner(debug=debug, loop_factory=loop_factory)

    def __enter__(self) -> Runner:
        self._runner.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._runner.close()

    def run(self, coro: Awaitable[T], *, context: Context | None = None) -> T:
        """Run a coroutine in the event loop, and return its result."""
        return self._runner.run(coro, context=context)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop, which is made where it is asked for first."""
        return self._runner.get_loop()

    def close(self) -> None:
        """End what still runs, and close the event loop."""
        self._runner.close()


def callback(function: Callable[P, object]) -> Callable[P, None]:
    """Make a callback of an event loop that may `await_` of a synchronous function.

    Callbacks are no tasks: what is passed to ``call_soon``, ``call_later``, ``add_reader``,
    ``add_signal_handler`` or ``add_done_callback``, and the methods of a protocol. Each call of the
    result runs ``function(*args)`` in a task of its own, with a portal. It runs at once, up to
    where it waits. Calls that come meanwhile do not wait for it. The result returns None, and what
    `function` raises goes to the loop's exception handler, as of any callback.

    Raises `TypeError` for an async function; a call raises `RuntimeError` where no loop is running.
    """
    if getattr(getattr(function, "__code__", None), "co_flags", 0) & CO_COROUTINE:
        name = getattr(function, "__name__", "async_fn")
        raise TypeError(
            f"switchback.callback() is for synchronous functions, and {name!r} is an async one: "
            f"create a task in a callback, asyncio.create_task({name}())"
        )

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        from . import _asyncio_callbacks

        _asyncio_callbacks.call_in_task(function, args, kwargs)

    return call


def patch_asyncio() -> None:
    """Have asyncio's own ways to run a coroutine work inside a running loop, until undone.

    `asyncio.run`, `asyncio.Runner.run`, `loop.run_until_complete`, and where they are imported
    `anyio.run` and `uvloop.run`, do as `run` does then: they await on the loop that runs. Loops
    that they begin to run from now on give a portal to each task, as by `enable`, and so does the
    one that runs already. A coroutine that is passed with a `loop_factory` of its own, and another
    loop than the running one, run inside of it: both go on, where the inner one has a selector. In
    a callback, or in a task that has no portal yet, the standard library's loop turns below; other
    loops cannot, and the error says so.

    Calling it again does nothing, and `unpatch_asyncio` undoes it. Raises `RuntimeError` where
    nest_asyncio has changed asyncio already.
    """
    from . import _asyncio_patches

    _asyncio_patches.patch()


def unpatch_asyncio() -> None:
    """Undo what `patch_asyncio` has done; loops that are enabled stay so."""
    from . import _asyncio_patches

    _asyncio_patches.unpatch()


def install_as_nest_asyncio() -> None:
    """Have ``import nest_asyncio``, or ``nest_asyncio2``, give this package.

    Its ``apply(loop)`` calls `patch_asyncio`, and `enable` for that loop or the running one. Call
    it before anything imports nest_asyncio. Calling it again does nothing. Raises `RuntimeError` if
    nest_asyncio itself has been imported already.
    """
    from . import _asyncio_patches

    _asyncio_patches.install_as_nest()
