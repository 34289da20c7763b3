"""Garbage is collected at every allocation, and looked at by other threads, while portals wait.

What a suspended portal refers to is seen and unwound as the native program has it, and nothing of
one that goes on is finalized.
"""
# mark: threads
# mark: needs_native: greenlets do not show what their stack refers to

from __future__ import annotations

import contextvars
import functools
import gc
import random
import sys
import threading
import types
import weakref
from typing import Any

from support import lost_tasks
from support.libraries import make_library

from switchback import _engine, await_, with_portal_run_sync


def look_around(stop: threading.Event) -> None:
    """What tools do in other threads: collect, list all objects, and ask who refers to some."""
    chooser = random.Random(1)
    while not stop.is_set():
        match chooser.randrange(4):
            case 0:
                gc.collect(chooser.randrange(3))
            case 1:
                objects = gc.get_objects()
                gc.get_referrers(*[chooser.choice(objects) for _ in range(3)])
                del objects
            case 2:
                for thing in gc.get_objects(generation=0)[:50]:
                    gc.get_referents(thing)
            case _:
                gc.freeze()
                gc.unfreeze()
        stop.wait(0.002)


def tasks_are_lost_while_others_look() -> None:
    library = make_library("asyncio")
    stop = threading.Event()
    threads = [threading.Thread(target=look_around, args=(stop,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for case in lost_tasks.CASES:
            for how in lost_tasks.WAYS:
                lost_tasks.outcome(library, case, how)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def tasks_are_lost_under_constant_collections() -> None:
    library = make_library("asyncio")
    for case in lost_tasks.CASES:
        native = lost_tasks.outcome(library, case, None)
        before = gc.get_threshold()
        gc.set_threshold(1, 1, 1)
        try:
            in_portal = lost_tasks.outcome(library, case, "ensure_portal")
        finally:
            gc.set_threshold(*before)
        if case not in (*lost_tasks.KEPT_IN_PORTALS, *lost_tasks.KEPT_NATIVELY):
            assert in_portal[0] == native[0], case


@types.coroutine
def trap() -> Any:
    return (yield "trap")


class Loop:
    """A future that is in a cycle with all that waits for it."""

    def __init__(self) -> None:
        self.waiters: list[Any] = []


def a_generator_that_was_shown_is_closed_as_ever() -> None:
    log: list[str] = []

    def generate() -> Any:
        try:
            await_(trap())
            yield 1
            await_(trap())
            yield 2
        finally:
            log.append("closed")

    def sync() -> None:
        for _ in generate():
            break
        log.append("broken")

    coroutine = with_portal_run_sync(sync)
    assert coroutine.send(None) == "trap"
    gc.collect()
    try:
        coroutine.send(None)
    except StopIteration:
        pass
    assert log == ["closed", "broken"], log


def a_coroutine_that_was_shown_is_closed_by_others() -> None:
    log: list[str] = []

    async def main() -> None:
        try:
            await_(trap())
            await trap()
        finally:
            log.append("closed")

    coroutine = main()
    portal = _engine.open_portal(coroutine)
    assert portal.send(None) == "trap"
    gc.collect()
    assert portal.send(None) == "trap"  # by `await` now
    gc.collect()
    del portal
    assert log == [], log  # others hold the coroutine
    del coroutine
    assert log == ["closed"], log


def what_refuses_to_close_is_left_whole() -> None:
    log: list[str] = []
    loop, refusing = Loop(), [True]

    async def main(loop: Loop) -> None:
        contents = {"list": [1, 2, 3]}
        cycle = [contents]
        cycle.append(cycle)
        while refusing:
            try:
                await_(trap())
            except BaseException:
                assert contents == {"list": [1, 2, 3]} and cycle[0] is contents
                log.append("refused")

    loop.waiters.append(_engine.open_portal(main(loop)))
    loop.waiters[0].send(None)
    portal_id = id(loop.waiters[0])
    hook, sys.unraisablehook = sys.unraisablehook, lambda args: None
    del loop
    gc.collect()
    assert len(log) == 8, log
    for _ in range(3):
        gc.collect()
    sys.unraisablehook = hook
    assert len(log) == 8, log
    left = [thing for thing in gc.get_objects() if id(thing) == portal_id]
    assert len(left) == 1
    assert left[0].send(None) == "trap"  # whole still
    refusing.clear()
    left[0].close()


def what_was_thrown_in_is_seen() -> None:
    log: list[str] = []

    class Thrown(Exception):
        loop: Any

    async def main() -> None:
        try:
            await trap()
        except Thrown:
            try:
                await_(trap())
            finally:
                log.append("closed")

    loop, error = Loop(), Thrown()
    error.loop = loop
    loop.waiters.append(_engine.open_portal(main()))
    assert loop.waiters[0].send(None) == "trap"
    assert loop.waiters[0].throw(error) == "trap"
    del loop, error
    gc.collect()
    assert log == (["closed"] if sys.version_info < (3, 14) else log), log


def a_private_context_is_seen() -> None:
    log: list[str] = []
    variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable")

    def inner() -> None:
        try:
            await_(trap())
        finally:
            log.append("closed")

    def sync(context: contextvars.Context) -> None:
        context.run(inner)

    loop, context = Loop(), contextvars.copy_context()
    context.run(variable.set, loop)
    loop.waiters.append(_engine.open_call_portal(sync, (context,)))
    loop.waiters[0].send(None)
    portal = weakref.ref(loop.waiters[0])
    del loop, context
    gc.collect()
    # Up to 3.13 it is not known what the call of run() is made on.
    assert log == (["closed"] if sys.version_info >= (3, 14) else []), log
    if portal() is not None:
        portal().close()


def what_a_call_has_let_go_of_is_not_seen() -> None:
    """The call of ref() has ended: its first argument is gone, and the second one runs."""

    class Thing:
        def __init__(self) -> None:
            self.itself = [self]

    def call_back(_: Any) -> None:
        await_(trap())

    def sync() -> None:
        thing = Thing()
        thing.itself.clear()
        references = [weakref.ref(thing, call_back)]
        weakref.ref(Thing().itself.pop(), call_back)
        del thing
        assert references

    portal = with_portal_run_sync(sync)
    while True:
        try:
            portal.send(None)
        except StopIteration:
            break
        for _ in range(3):
            [[] for _ in range(1000)]
            gc.collect()


def what_c_holds_stays() -> None:
    class Held:
        freed = 0

        def __del__(self) -> None:
            Held.freed += 1

    def key(item: Any) -> int:
        await_(trap())
        return item[1]

    async def main(loop: Loop) -> None:
        items = [[Held(), number, loop] for number in range(3)]
        sorted(iter(items.copy()), key=key)  # the list is of C alone
        del items
        list(map(key, [[Held(), 0, loop]]))
        functools.reduce(lambda _, item: key(item), [[Held(), 0, loop]], None)

    loop = Loop()
    portal = _engine.open_portal(main(loop))
    loop.waiters.append(portal)
    del loop
    for step in range(5):
        assert portal.send(None) == "trap"
        gc.collect()
        gc.set_threshold(1, 1, 1)
        [[] for _ in range(200)]
        gc.set_threshold(700, 10, 10)
        assert Held.freed == (0, 0, 0, 3, 4)[step], (step, Held.freed)
    portal.close()
    del portal
    gc.collect()
    assert Held.freed == 5, Held.freed


def garbage_of_another_thread_is_closed_in_its_own() -> None:
    log: list[Any] = []
    ready, collected = threading.Event(), threading.Event()

    def in_thread() -> None:
        async def main(loop: Loop) -> None:
            try:
                await_(trap())
            finally:
                log.append(threading.current_thread())

        loop = Loop()
        loop.waiters.append(_engine.open_portal(main(loop)))
        loop.waiters[0].send(None)
        del loop
        ready.set()
        collected.wait()
        other = with_portal_run_sync(lambda: None)
        try:
            other.send(None)
        except StopIteration:
            pass
        assert log == [threading.current_thread()], log

    thread = threading.Thread(target=in_thread)
    thread.start()
    ready.wait()
    gc.collect()
    assert log == []
    collected.set()
    thread.join()
    assert log == [thread]


def threads_that_end_leave_nothing_to_be_seen() -> None:
    log: list[str] = []
    refusing = [True]

    def in_thread() -> None:
        async def main(loop: Loop) -> None:
            while refusing:
                try:
                    await_(trap())
                except BaseException:
                    log.append("refused")

        loop = Loop()
        loop.waiters += [_engine.open_portal(main(loop)), Held()]
        loop.waiters[0].send(None)

    class Held:
        def __del__(self) -> None:
            log.append("freed")

    hook, sys.unraisablehook = sys.unraisablehook, lambda args: None
    for _ in range(3):
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
        count = len(log)
        gc.collect()
        assert len(log) == count
    sys.unraisablehook = hook


def portals_in_portals_are_collected() -> None:
    log: list[str] = []

    def inner(loop: Loop) -> None:
        try:
            await_(trap())
        finally:
            log.append("inner")

    async def middle(loop: Loop) -> None:
        try:
            await _engine.open_call_portal(inner, (loop,))
        finally:
            log.append("middle")

    async def outer(loop: Loop) -> None:
        try:
            await_(middle(loop))
        finally:
            log.append("outer")

    loop = Loop()
    loop.waiters.append(_engine.open_portal(outer(loop)))
    loop.waiters[0].send(None)
    del loop
    gc.collect()
    assert log == ["inner", "middle", "outer"], log


if __name__ == "__main__":
    for check in (
        a_generator_that_was_shown_is_closed_as_ever,
        a_coroutine_that_was_shown_is_closed_by_others,
        what_refuses_to_close_is_left_whole,
        what_was_thrown_in_is_seen,
        a_private_context_is_seen,
        what_a_call_has_let_go_of_is_not_seen,
        what_c_holds_stays,
        garbage_of_another_thread_is_closed_in_its_own,
        threads_that_end_leave_nothing_to_be_seen,
        portals_in_portals_are_collected,
        tasks_are_lost_under_constant_collections,
        tasks_are_lost_while_others_look,
    ):
        check()
        print(check.__name__, "ok", flush=True)
