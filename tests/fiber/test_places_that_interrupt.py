"""Generators, signal handlers and the garbage collector await, in whatever they interrupt."""

import gc
import signal
import sys
import weakref

import pytest

from switchback import await_, with_portal_run_sync

pytestmark = pytest.mark.page_size


def test_a_generator_goes_on_in_a_later_step_of_another_task(library):
    def numbers():
        for number in range(6):
            await_(library.checkpoint())
            yield number

    generator = numbers()

    async def main():
        async def one():
            return await with_portal_run_sync(next, generator)

        results = []
        for _ in range(3):
            results.append(await one())
            results += await library.gather(one)
        return results

    assert library.run(main) == list(range(6))


def test_a_generator_that_waits_cannot_be_advanced_by_another_task(library):
    async def main():
        waits, goes_on = library.event(), library.event()

        def numbers():
            waits.set()
            await_(goes_on.wait())
            yield 1

        generator = numbers()

        async def other():
            await waits.wait()
            with pytest.raises(ValueError, match="generator already executing"):
                next(generator)
            goes_on.set()

        return (await library.gather(lambda: with_portal_run_sync(next, generator), other))[0]

    assert library.run(main) == 1


def test_a_generator_that_waited_is_closed_with_its_finally(library, wait):
    log = []

    def numbers():
        try:
            yield wait(1)
            yield wait(2)
        finally:
            log.append(wait("closed"))

    def run():
        for number in numbers():
            log.append(number)
            break
        return log

    assert library.run(with_portal_run_sync, run) == [1, "closed"]


def test_a_signal_handler_may_await(library, wait):
    log = []

    def run():
        log.append("before")
        signal.raise_signal(signal.SIGUSR1)
        log.append("after")
        return wait(log)

    previous = signal.signal(signal.SIGUSR1, lambda *_: log.append(wait("in the handler")))
    try:
        assert library.run(with_portal_run_sync, run) == ["before", "in the handler", "after"]
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_a_timer_signal_may_await_amid_busy_code(library, wait):
    log = []

    def run():
        signal.setitimer(signal.ITIMER_REAL, 0.005)
        count = 0
        while not log:
            count += 1
        return wait(log)

    previous = signal.signal(signal.SIGALRM, lambda *_: log.append(wait("in the handler")))
    try:
        assert library.run(with_portal_run_sync, run) == ["in the handler"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_an_exception_of_a_signal_handler_that_waited_is_raised_where_it_interrupted(library, wait):
    class Interrupt(Exception):
        pass

    def handler(*_):
        wait()
        raise Interrupt

    def run():
        with pytest.raises(Interrupt):
            signal.raise_signal(signal.SIGUSR1)
        return wait("went on")

    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        assert library.run(with_portal_run_sync, run) == "went on"
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_a_finalizer_that_the_garbage_collector_calls_may_await(library, wait):
    log = []

    class Thing:
        def __init__(self):
            self.itself = self

        def __del__(self):
            log.append(wait("finalized"))

    def run():
        for _ in range(3):
            Thing()
        gc.collect()
        return wait(log)

    assert library.run(with_portal_run_sync, run) == ["finalized"] * 3

    # And the collector goes on to work.
    garbage = Thing.__new__(Thing)
    garbage.itself = garbage
    Thing.__del__ = lambda self: None
    reference = weakref.ref(garbage)
    del garbage
    gc.collect()
    assert reference() is None


def test_the_garbage_collector_may_run_while_portals_wait(library):
    def run(number):
        garbage = [[] for _ in range(10)]
        for item in garbage:
            item.append(item)
        del garbage, item
        local = [number]
        await_(library.sleep((number * 7 % 5) / 2000))
        gc.collect()
        await_(library.sleep((number * 3 % 5) / 2000))
        return local

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(20)]
        return await library.gather(*calls)

    assert library.run(main) == [[number] for number in range(20)]


def test_finalizers_of_objects_that_hold_each_other_deeply_may_await(library):
    # The interpreter destroys such objects in several goes, with a count of its own of the depth.
    def run(number):
        class Thing:
            def __init__(self, held, depth):
                self.held, self.depth = held, depth

            def __del__(self):
                if self.depth % 20 == number:
                    await_(library.checkpoint())
                log.append(self.depth)

        log = []
        chain = None
        for depth in range(300):
            chain = [Thing(chain, depth)]
        del chain
        return log

    async def main():
        calls = [lambda n=n: with_portal_run_sync(run, n) for n in range(20)]
        return await library.gather(*calls)

    assert library.run(main) == [list(range(299, -1, -1))] * 20


def test_a_callback_of_the_garbage_collector_may_await(library, wait):
    phases = []

    def callback(phase, info):
        if len(phases) < 2:
            phases.append(wait(phase))

    def run():
        gc.callbacks.append(callback)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(callback)
        return wait(phases)

    assert library.run(with_portal_run_sync, run) == ["start", "stop"]


def test_an_error_in_a_finalizer_that_waited_is_reported_and_the_portal_goes_on(library, wait):
    class Thing:
        def __del__(self):
            raise KeyError(wait("x"))

    def run():
        Thing()
        return wait("went on")

    reports = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda args: reports.append(args.exc_type)
    try:
        assert library.run(with_portal_run_sync, run) == "went on"
    finally:
        sys.unraisablehook = hook
    assert reports == [KeyError]
