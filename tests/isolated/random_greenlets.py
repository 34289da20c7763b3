"""Random lives of greenlets and portals that switch to, throw into, step and drop each other.

`random_greenlets.py SECONDS SEED` goes on for longer, or repeats a seed that it has printed.
"""

# mark: chooses_native: portals of both kinds are alive beside each other
# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow

import contextlib
import contextvars
import faulthandler
import functools
import gc
import random
import sys
import threading
import time
import traceback
import types
import warnings
import weakref

try:
    import greenlet
except ImportError:
    print("needs greenlet")
    sys.exit(77)

from support.by_hand import trap
from support.collections_under_way import may_switch

import switchback
from switchback import _engine, await_

MOST = 20
HANGS_AFTER = 60

portals = []
greenlets = []
generators = []
failures = []
variable = contextvars.ContextVar("variable", default=None)


class Thrown(Exception):
    pass


#: What code raises that is ended in odd places; a SystemError would be something else.
EXPECTED = (
    *(AttributeError, IndexError, KeyError, RecursionError, RuntimeError, StopIteration, Thrown),
    *(TypeError, ValueError, GeneratorExit, greenlet.GreenletExit, greenlet.error),
)


def check(holds, what):
    """Note it, as an exception would come out anywhere."""
    if not holds:
        failures.append(what)
        traceback.print_stack()
        print(f"FAILED: {what}", flush=True)


class Life:
    """One piece of code that runs: where it has been started, and how much deeper it may go."""

    def __init__(self, chance, depth, own=None):
        self.chance = chance
        self.depth = depth
        self.own = own  # the greenlet that it is the code of, if any

    def deeper(self):
        return Life(self.chance, self.depth - 1, self.own)

    def in_place(self):
        return self.own is None or greenlet.getcurrent() is self.own

    def live(self):
        chance = self.chance
        mark = object()
        local = [mark]
        look(chance)
        try:
            if self.depth <= 0 or chance.random() < 0.2:
                return self.wait()
            return chance.choice(WAYS)(self.deeper())
        finally:
            check(self.in_place(), "code runs in another greenlet than it did")
            check(local[0] is mark, "a local variable has changed")

    def wait(self):
        """Gives up control, in one of the ways there are."""
        chance = self.chance
        match chance.randrange(5):
            case 0:
                return leave(chance)
            case 1 if greenlet.getcurrent().parent is not None and may_switch():
                return greenlet.getcurrent().parent.switch()
            case _:
                return await_(trap()) if may_switch() else None


def pick(chance, things):
    return chance.choice(things) if things else None


def leave(chance):
    """To any greenlet, which may have ended, belong to another thread, or wait in await_()."""
    one = pick(chance, greenlets)
    if one is None or not may_switch():
        return None
    if one.dead and chance.random() < 0.9:
        greenlets.remove(one)
        return None
    if chance.random() < 0.2:
        return one.throw(chance.choice([Thrown, greenlet.GreenletExit]))
    return one.switch()


def begin_greenlet(life):
    chance = life.chance

    def run(*_):
        return Life(chance, life.depth, greenlet.getcurrent()).live()

    one = greenlet.greenlet(run, pick(chance, greenlets) if chance.random() < 0.2 else None)
    if len(greenlets) < MOST:
        greenlets.append(one)
    return one


def start_greenlet(life):
    one = begin_greenlet(life)
    match life.chance.randrange(6) if may_switch() else 0:
        case 0:
            return None
        case 1:
            one.throw(Thrown)
        case _:
            one.switch()
    if life.chance.random() < 0.5:
        one.switch()
    return None


def change_parent(life):
    with contextlib.suppress(ValueError, AttributeError, greenlet.error):
        greenlet.getcurrent().parent = pick(life.chance, greenlets)
    return life.live()


class Finalized:
    def __init__(self, life):
        self.life = life

    def __del__(self):
        with contextlib.suppress(BaseException):
            Life(self.life.chance, 1).live()  # anywhere


def generator(life):
    try:
        while True:
            yield Life(life.chance, life.depth).live()
    finally:
        if life.chance.random() < 0.3:
            Life(life.chance, 0).live()


def keep_generator(life):
    generators.append(generator(life))
    next(generators[-1])


def drop_garbage(life):
    garbage = Finalized(life)
    garbage.itself = garbage
    del garbage
    return life.live()


def in_context(life):
    value = object()

    def run():
        variable.set(value)
        try:
            life.live()
        finally:
            check(variable.get() is value, "a context variable has changed")

    contextvars.copy_context().run(run)


def handle(life):
    error = KeyError()
    try:
        raise error
    except KeyError:
        result = life.live()
        check(sys.exc_info()[1] is error, "the exception being handled has changed")
        return result


def refuse(life):
    try:
        return life.live()
    except (GeneratorExit, greenlet.GreenletExit, Thrown):
        return life.deeper().live()
    finally:
        look(life.chance)


def in_c(life):
    key = {3: 3, 1: 1, 2: 2}.get
    check(sorted([3, 1, 2], key=lambda item: (life.live(), key(item))[1]) == [1, 2, 3], "sorted()")


def in_map(life):
    def live_and_return(item):
        try:
            life.live()
        except StopIteration:  # of a portal; for map() it would be the end
            raise Thrown from None
        return item

    check(list(map(live_and_return, "ab")) == ["a", "b"], "map()")


def descend(life, levels):
    if levels == 0:
        return life.live()
    check(
        functools.reduce(lambda a, _: (descend(life, levels - 1), a)[1], "xy", levels) == levels,
        "reduce()",
    )
    return None


async def live_async(life):
    chance = life.chance
    match chance.randrange(4):
        case 0:
            return await trap()
        case 1:
            return life.live()
        case 2 if life.depth > 0:
            return await _engine.open_portal(live_async(Life(chance, life.depth - 1)))
        case _:
            return await _engine.open_call_portal(Life(chance, life.depth - 1).live, ())


WAYS = [
    lambda life: await_(live_async(life)) if may_switch() else None,
    lambda life: weakref.ref(Finalized(life), lambda _: look(life.chance)),
    lambda life: exec("life.live()", {"life": life}),
    lambda life: end_or_resume(life.chance),
    lambda life: end_or_resume(life.chance),
    lambda life: leave(life.chance),
    start_greenlet,
    start_greenlet,
    start_greenlet,
    change_parent,
    keep_generator,
    drop_garbage,
    in_context,
    in_c,
    in_map,
    lambda life: descend(life, life.chance.randrange(3)),
    handle,
    refuse,
]


def look(chance):
    match chance.randrange(40):
        case 0:
            gc.collect()
        case 1 if greenlets:
            one = chance.choice(greenlets)
            if one.gr_frame is not None:
                traceback.extract_stack(one.gr_frame, 5)
            one.dead, one.parent, repr(one)
        case 2 if greenlets and may_switch():
            # It may end at once, which is a switch to it.
            greenlets.pop(chance.randrange(len(greenlets)))
        case 3 if greenlets and not greenlets[-1]:  # to end another is a switch
            cycle = types.SimpleNamespace(one=greenlets.pop())
            cycle.itself = cycle
        case 4 if generators:
            with contextlib.suppress(StopIteration, ValueError, RuntimeError):
                one = generators.pop(chance.randrange(len(generators)))
                next(one) if chance.random() < 0.5 else one.close()
        case 5:
            switchback.settings.backend = chance.choice(["auto", "auto", "native", "greenlet"])
        case 7 if portals:
            one = chance.choice(portals)
            one.cr_frame, one.cr_await, one.cr_running, one.cr_suspended, repr(one)


def begin(chance):
    life = Life(chance, chance.randrange(1, 6))
    if chance.random() < 0.7:
        portals.append(_engine.open_call_portal(life.live, ()))
    else:
        portals.append(_engine.open_portal(live_async(life)))


def end_or_resume(chance):
    portal = pick(chance, portals)
    if portal is None:
        return
    match chance.randrange(12):
        case 0:
            portal.throw(Thrown())
        case 1:
            portal.close()
        case 2:
            portals.remove(portal)
            cycle = types.SimpleNamespace(portal=portal)
            cycle.itself = cycle
        case 3:
            portals.remove(portal)
        case 4:
            contextvars.copy_context().run(portal.send, None)
        case _:
            step(portal)


def step(portal):
    try:
        portal.send(None)
    except RuntimeError as error:
        if "cannot reuse" in str(error) and portal in portals:
            portals.remove(portal)
        raise
    except StopIteration:
        pass


def act(chance):
    with contextlib.suppress(*EXPECTED):
        if len(portals) < MOST and chance.random() < 0.4:
            begin(chance)
        match chance.randrange(8):
            case 0:
                leave(chance)
            case 1:
                start_greenlet(Life(chance, chance.randrange(4)))
            case 2:  # a portal's step in a greenlet
                greenlet.greenlet(end_or_resume).switch(chance)
            case _:
                end_or_resume(chance)


def work(seed, steps):
    chance = random.Random(seed)
    mine = greenlet.getcurrent()
    for _ in range(steps):
        act(chance)
        check(greenlet.getcurrent() is mine, "the main greenlet's code runs in another")
        if len(generators) > 20:
            with contextlib.suppress(*EXPECTED):
                generators.pop(0)


def run(seed):
    faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
    switchback.settings.backend = "auto"
    threads = []
    if seed % 4 == 0:
        threads = [threading.Thread(target=work, args=(seed + n / 10, 60 * n)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    work(seed, 200)
    for thread in threads:
        thread.join()
    # So that each seed is the same whatever came before.
    for things in (portals, greenlets, generators):
        with contextlib.suppress(*EXPECTED):
            things.clear()
    with contextlib.suppress(*EXPECTED):
        gc.collect()
    faulthandler.cancel_dump_traceback_later()


seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2
first = int(sys.argv[2]) if len(sys.argv) > 2 else 1
warnings.simplefilter("ignore")
sys.unraisablehook = lambda unraisable: None
threading.excepthook = lambda args: None
end = time.monotonic() + seconds
seed = first
while seed == first or time.monotonic() < end:
    print(seed, flush=True)
    run(seed)
    if failures:
        sys.exit(f"seed {seed}: {failures}")
    seed += 1
