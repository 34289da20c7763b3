"""The backend is changed at random between steps, with portals and greenlets of each kind nested.

Arguments: the first seed, and how many. What fails is repeated by its seed.
"""

# mark: not_under asan tsan: greenlet copies stacks, which this sanitizer does not follow
# mark: chooses_native: there is but one backend

import gc
import os
import random
import sys

from support.by_hand import trap

try:
    import greenlet
except ImportError:
    print("needs greenlet")
    sys.exit(77)

import switchback
from switchback import _engine, await_

#: What may come of any operation where others switch to what waits.
EXPECTED = (RuntimeError, KeyError, GeneratorExit, greenlet.GreenletExit, greenlet.error)


class Answer:
    """What is sent to a portal."""


class World:
    def __init__(self, seed, foreign):
        self.random = random.Random(seed)
        self.foreign = foreign  # whether greenlets that wait in await_() are switched to as well
        self.fuel = 400
        self.portals = []
        self.greenlets = []
        self.waiting = set()
        self.done = 0

    def run(self, depth):
        """Some code, wherever it is called; its locals have to stay as they are."""
        values = [object() for _ in range(self.random.randrange(20))]
        kept = list(values)
        for _ in range(self.random.randrange(1, 6)):
            if self.fuel <= 0:
                break
            self.fuel -= 1
            operation = self.random.choice(self.OPERATIONS)
            try:
                operation(self, depth)
            except EXPECTED as error:
                if type(error) is GeneratorExit or type(error) is greenlet.GreenletExit:
                    raise
            assert all(a is b for a, b in zip(values, kept, strict=True))
            self.done += 1
        return depth

    def set_backend(self, depth):
        switchback.settings.backend = self.random.choice(["auto", "native", "greenlet"])

    def wait(self, depth):
        here = greenlet.getcurrent()
        self.waiting.add(here)
        try:
            found = await_(trap(self))
        finally:
            self.waiting.discard(here)
        assert isinstance(found, Answer), found

    def wait_deep(self, depth):
        sorted([1], key=lambda _: self.wait(depth) or 0)

    def call_deep(self, depth):
        if depth < 8:
            sorted([1], key=lambda _: self.run(depth + 1))

    def begin_portal(self, depth):
        if depth < 8:
            portal = _engine.open_call_portal(self.run, (depth + 1,))
            self.portals.append(portal)
            self.step_portal(depth, portal, None)

    def step_portal(self, depth, portal=None, answer=True):
        if not self.portals:
            return
        portal = portal or self.random.choice(self.portals)
        try:
            trapped = portal.send(Answer() if answer else None)
            assert trapped is self, trapped
        except StopIteration as stop:
            assert isinstance(stop.value, int)
            self.forget(portal)
        except TypeError as error:  # not started yet, or refused a step
            assert "can't send non-None" in str(error)
        except ValueError as error:
            assert "already executing" in str(error)

    def throw(self, depth):
        if self.portals:
            portal = self.random.choice(self.portals)
            try:
                portal.throw(KeyError("thrown"))
            except StopIteration:
                self.forget(portal)
            except ValueError as error:
                assert "already executing" in str(error)

    def close_portal(self, depth):
        if self.portals:
            portal = self.random.choice(self.portals)
            try:
                portal.close()
            except ValueError as error:
                assert "already executing" in str(error)
            else:
                self.forget(portal)

    def drop_portal(self, depth):
        if self.portals:
            self.portals.pop(self.random.randrange(len(self.portals)))

    def forget(self, portal):
        if portal in self.portals:
            self.portals.remove(portal)

    def begin_greenlet(self, depth):
        if depth < 8:
            child = greenlet.greenlet(self.run)
            self.greenlets.append(child)
            child.switch(depth + 1)

    def chosen_greenlet(self):
        choice = [g for g in self.greenlets if self.foreign or g not in self.waiting]
        return self.random.choice(choice) if choice else None

    def switch(self, depth):
        child = self.chosen_greenlet()
        if child is not None and not child.dead:
            child.switch(depth + 1)

    def switch_to_parent(self, depth):
        parent = greenlet.getcurrent().parent
        if parent is not None and (self.foreign or greenlet.getcurrent() in self.greenlets):
            parent.switch(depth)

    def throw_into_greenlet(self, depth):
        child = self.chosen_greenlet()
        if child is not None and child:
            child.throw(KeyError("thrown"))

    def drop_greenlet(self, depth):
        child = self.chosen_greenlet()
        if child is not None:
            self.greenlets.remove(child)

    def collect(self, depth):
        gc.collect(0)

    OPERATIONS = (
        set_backend, set_backend, wait, wait, wait_deep, call_deep, call_deep, begin_portal,
        begin_portal, begin_portal, step_portal, step_portal, step_portal, throw, close_portal,
        drop_portal, begin_greenlet, begin_greenlet, begin_greenlet, switch, switch,
        switch_to_parent, throw_into_greenlet, drop_greenlet, collect,
    )  # fmt: skip


def live(seed, foreign):
    world = World(seed, foreign)
    while world.fuel > 0:
        try:
            world.run(0)
        except (*EXPECTED, StopIteration):
            pass
    world.fuel = 0
    for portal in world.portals:
        try:
            portal.close()
        except (*EXPECTED, ValueError):  # the step of some is in the middle of a greenlet
            pass
    world.portals.clear()
    world.greenlets.clear()
    gc.collect()
    return world.done


def use(backend):
    """Portals begin, wait and end as if nothing had been."""
    switchback.settings.backend = backend
    portal = _engine.open_call_portal(
        lambda: greenlet.greenlet(lambda: await_(trap())).switch(), ()
    )
    assert portal.send(None) == "trap"
    try:
        portal.send("answer")
    except StopIteration as stop:
        assert stop.value == "answer"


first, count = map(int, sys.argv[1:] or (1, 40))
failed = []
for seed in range(first, first + count):
    for foreign in (False, True):
        # In a process of its own: what some greenlets leave behind never ends.
        child = os.fork()
        if child == 0:
            sys.unraisablehook = lambda unraisable: None  # what ignores GeneratorExit, and the like
            assert live(seed, foreign) > 20
            for name in ("native", "greenlet"):
                use(name)
            sys.exit()
        _, status = os.waitpid(child, 0)
        if status:
            failed.append((seed, foreign, status))
assert not failed, f"seed, with foreign switches, status: {failed}"
