"""Random programs of synchronous functions that await: which call each other in every way."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

from switchback import await_, with_portal_run_sync

Node = Callable[[], object]


class Failure(Exception):
    pass


class Programs:
    """Makes functions, by a random number generator that tells all.

    `toggle`, if any, is called at random moments. Then no C function calls back, and none of them
    waits in another await_(): whether tools were told of calls that last, nothing can tell.
    """

    def __init__(
        self, rng: random.Random, checkpoint: Callable[[], Any], toggle: Callable[[], None] | None
    ) -> None:
        self.rng = rng
        self.checkpoint = checkpoint
        self.toggle = toggle

    def function(self, depth: int) -> Node:
        kinds = ["waits", "calls", "yields", "binds", "makes", "gets", "catches", "recurs"]
        if self.toggle is None:
            kinds += ["sorts", "maps", "awaits", "opens"]
        elif self.rng.random() < 0.2:
            return self.toggling(self.function(depth), self.toggle)
        if depth == 0:
            return self.waits()
        kind = self.rng.choice(kinds)
        return self.waits() if kind == "waits" else getattr(self, kind)(self.function(depth - 1))

    def toggling(self, child: Node, toggle: Callable[[], None]) -> Node:
        first = self.rng.random() < 0.5

        def toggles():
            if first:
                toggle()
            child()
            if not first:
                toggle()

        return toggles

    def waits(self) -> Node:
        checkpoint, count = self.checkpoint, self.rng.randrange(3)
        fails = self.rng.random() < 0.2

        async def leaf():
            for _ in range(count):
                await checkpoint()
            if fails:
                raise Failure
            return count

        def waits():
            return await_(leaf())

        return waits

    def calls(self, child: Node) -> Node:
        second = self.function(0)

        def calls():
            child()
            return second()

        return calls

    def sorts(self, child: Node) -> Node:
        def sorts():
            return sorted([2, 1], key=lambda number: (child(), number)[1])

        return sorts

    def maps(self, child: Node) -> Node:
        def maps():
            return max(map(lambda _: len(repr(child())), range(2)))

        return maps

    def yields(self, child: Node) -> Node:
        def numbers():
            for _ in range(2):
                yield child()

        def yields():
            return [number for number in numbers()]

        return yields

    def binds(self, child: Node) -> Node:
        bound = functools.partial(lambda _, other: other(), 1)

        def binds():
            return bound(*[child])

        return binds

    def makes(self, child: Node) -> Node:
        class Made:
            def __init__(self):
                self.number = child()

        def makes():
            return Made().number

        return makes

    def gets(self, child: Node) -> Node:
        class Holder:
            @property
            def held(self):
                return child()

        def gets():
            return Holder().held

        return gets

    def awaits(self, child: Node) -> Node:
        checkpoint = self.checkpoint

        async def middle():
            child()
            await checkpoint()
            return child()

        def awaits():
            return await_(middle())

        return awaits

    def catches(self, child: Node) -> Node:
        def catches():
            try:
                return child()
            except Failure:
                return await_(self.checkpoint())
            finally:
                await_(self.checkpoint())

        return catches

    def opens(self, child: Node) -> Node:
        def opens():
            return await_(with_portal_run_sync(child))

        return opens

    def recurs(self, child: Node) -> Node:
        def recurs(left=5):
            return recurs(left - 1) if left else child()

        return recurs
