"""A process that is forked while portals wait in greenlets: both go on with them."""

from __future__ import annotations

import pytest
from support.greenlet_programs import NATIVE, check_program
from support.greenlet_users import copies_stacks, needs

pytestmark = [needs("greenlet"), copies_stacks, pytest.mark.in_child_process]


@pytest.mark.parametrize("ends", ["sys.exit()", "os._exit(0)"])
@pytest.mark.parametrize("backend", [NATIVE, "greenlet"])
def test_both_processes_go_on(backend, ends):
    check_program(
        f"""
        import gc
        import os
        import warnings

        import greenlet
        from support.by_hand import finish, suspended, trap

        warnings.simplefilter("ignore", DeprecationWarning)  # of fork() beside threads

        def work(name):
            inner = greenlet.greenlet(lambda: await_(trap()) + await_(trap()))
            return inner.switch(), name

        def go_on():
            assert running_on() == "native"  # outside of portals
            first.send("a")
            try:
                first.send("b")
            except StopIteration as stop:
                assert stop.value == ("ab", "first")
            dropped.clear()
            gc.collect()
            new = suspended(work, "new")
            new.send("c")
            try:
                new.send("d")
            except StopIteration as stop:
                assert stop.value == ("cd", "new")

        first, dropped = suspended(work, "first"), [suspended(work, "second")]
        kept = suspended(work, "third")
        child = os.fork()
        go_on()
        if child == 0:
            {ends}
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        """,
        backend,
    )


@pytest.mark.parametrize("backend", [NATIVE, "greenlet"])
def test_a_thread_ends_with_portals_that_wait_in_greenlets(backend):
    check_program(
        """
        import threading

        import greenlet
        from support.by_hand import suspended, trap

        ended = []

        def wait():
            try:
                await_(trap())
            finally:
                ended.append(greenlet.getcurrent().parent is not None)

        def work():
            portals.append(suspended(lambda: greenlet.greenlet(wait).switch()))

        portals = []
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        portals.clear()
        assert ended == [True], ended
        """,
        backend,
    )
