"""Portals live random lives, in several threads, with tools that look at them in every state."""

# mark: needs_native: greenlet moves the stack on which the garbage collector has its lists

import contextlib
import contextvars
import gc
import random
import sys
import threading
import traceback
import types
import warnings
import weakref

from support.by_hand import trap

from switchback import _engine, await_

MOST = 60

portals = []
generators = []
frames = []
variable = contextvars.ContextVar("variable")


class Thrown(Exception):
    pass


def nothing(*_):
    """Traces nothing. Up to 3.11, a trace function must not be freed by what it traces."""


class Finalized:
    def __init__(self, chance):
        self.chance = chance

    def __del__(self):
        with contextlib.suppress(BaseException):
            if self.chance.random() < 0.5:
                await_(trap())
            look(self.chance)


class Shown:
    def __init__(self, chance, depth):
        self.chance, self.depth = chance, depth

    def __repr__(self):
        live(self.chance, self.depth)
        return ""


def generator(chance, depth):
    try:
        while True:
            yield live(chance, depth)
    finally:
        if chance.random() < 0.5:
            await_(trap())


async def async_generator(chance, depth):
    try:
        while True:
            yield live(chance, depth)
            await trap()
    finally:
        if chance.random() < 0.3:
            await trap()


async def live_async(chance, depth):
    match chance.randrange(5):
        case 0:
            return await trap()
        case 1:
            return live(chance, depth)
        case 2:
            async for _ in async_generator(chance, depth):
                if chance.random() < 0.5:
                    break
        case 3 if depth > 0:
            return await _engine.open_portal(live_async(chance, depth - 1))
        case _:
            return await _engine.open_call_portal(live, (chance, depth - 1))


def deep(chance, depth, levels):
    return deep(chance, depth, levels - 1) if levels else live(chance, depth)


def handle(chance, depth):
    try:
        raise KeyError
    except KeyError:
        return live(chance, depth)


def refuse(chance, depth):
    try:
        return live(chance, depth)
    except (GeneratorExit, Thrown):
        return live(chance, depth - 1)
    finally:
        look(chance)


def keep_generator(chance, depth):
    generators.append(generator(chance, depth))
    next(generators[-1])


def drop_garbage(chance, depth):
    garbage = Finalized(chance)
    garbage.itself = garbage
    del garbage
    live(chance, depth)


def in_context(chance, depth):
    contextvars.copy_context().run(lambda: (variable.set(depth), live(chance, depth)))


WAYS = [
    lambda chance, depth: await_(live_async(chance, depth)),
    lambda chance, depth: sorted([3, 1, 2], key=lambda item: (live(chance, depth), item)[1]),
    lambda chance, depth: list(map(lambda _: live(chance, depth), "ab")),
    lambda chance, depth: exec("live(*args)", {"live": live, "args": (chance, depth)}),
    lambda chance, depth: weakref.ref(Finalized(chance), lambda _: look(chance)),
    lambda chance, depth: deep(chance, depth, chance.randrange(150)),
    lambda chance, depth: repr(Shown(chance, depth)),
    lambda chance, depth: end_or_resume(chance),
    keep_generator,
    drop_garbage,
    in_context,
    handle,
    refuse,
]


def live(chance, depth):
    look(chance)
    if depth <= 0 or chance.random() < 0.2:
        return await_(trap())
    return chance.choice(WAYS)(chance, depth - 1)


def walk(frame):
    while frame is not None:
        frame.f_lineno, frame.f_locals
        if sys.version_info >= (3, 13):  # before, to clear a frame may free it while it is used
            with contextlib.suppress(RuntimeError):
                frame.clear()
        frame = frame.f_back


def look(chance):
    match chance.randrange(30):
        case 0:
            gc.collect()
        case 1:
            sys.settrace(chance.choice([None, nothing]))
        case 2:
            sys.setprofile(chance.choice([None, nothing]))
        case 3:
            frames.append(sys._getframe(chance.randrange(3)))
        case 4 if frames:
            walk(frames.pop(chance.randrange(len(frames))))
        case 5:
            for frame in sys._current_frames().values():
                traceback.extract_stack(frame, 5)
        case 6:
            gc.get_referrers(portals)
            gc.get_referents(*gc.get_objects()[-500:])
        case 7 if generators:
            with contextlib.suppress(StopIteration, ValueError, RuntimeError):
                one = generators.pop(chance.randrange(len(generators)))
                next(one) if chance.random() < 0.5 else one.close()
        case 8:
            sys.setrecursionlimit(chance.randrange(900, 3000))
        case 9:
            sys.set_coroutine_origin_tracking_depth(chance.randrange(4))
        case 10 if portals:
            one = chance.choice(portals)
            one.cr_frame, one.cr_await, one.cr_running, one.cr_suspended, repr(one)


def begin(chance):
    depth = chance.randrange(1, 6)
    if chance.random() < 0.5:
        portals.append(_engine.open_call_portal(live, (chance, depth)))
    else:
        portals.append(_engine.open_portal(live_async(chance, depth)))


def end_or_resume(chance):
    portal = chance.choice(portals)
    match chance.randrange(10):
        case 0:
            portal.throw(Thrown())
        case 1:
            portal.close()
        case 2:
            portal.__del__()
        case 3:
            portals.remove(portal)
            cycle = types.SimpleNamespace(portal=portal)
            cycle.itself = cycle
        case 4:
            portals.remove(portal)
        case 5:
            contextvars.copy_context().run(portal.send, None)
        case _:
            portal.send(None)


#: What code raises that is ended in odd places; a SystemError would be something else.
EXPECTED = (
    *(AttributeError, IndexError, KeyError, RecursionError, RuntimeError, StopIteration, Thrown),
    *(TypeError, ValueError, GeneratorExit),
)


def work(seed, steps):
    chance = random.Random(seed)
    for _ in range(steps):
        with contextlib.suppress(*EXPECTED):
            if len(portals) < MOST and chance.random() < 0.3:
                begin(chance)
            end_or_resume(chance)
        if len(frames) > 50:
            frames.clear()
        if len(generators) > 50:
            generators.pop(0)
    sys.settrace(None)
    sys.setprofile(None)


def run(seed):
    threads = [threading.Thread(target=work, args=(seed + n, 200 * n)) for n in range(1, 4)]
    for thread in threads:
        thread.start()
    work(seed, 600)
    for thread in threads:
        thread.join()


warnings.simplefilter("ignore")
sys.unraisablehook = lambda unraisable: None
for seed in range(0, 300, 10):
    run(seed)
    print(seed, flush=True)
