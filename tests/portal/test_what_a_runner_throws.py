"""What any runner throws into a portal, or closes it with, is raised at the call of await_()."""

import pytest

from switchback import await_, with_portal_run_sync

pytestmark = [pytest.mark.quick, pytest.mark.unknown_minor]


def test_closing_a_portal_raises_generator_exit_at_the_call():
    log = []

    class Trap:
        def __await__(self):
            yield

    async def wait():
        await Trap()

    def run():
        try:
            await_(wait())
        except GeneratorExit:
            log.append("exit")
            raise
        finally:
            log.append("finally")

    portal = with_portal_run_sync(run)
    portal.send(None)
    portal.close()
    assert log == ["exit", "finally"]


def test_a_portal_that_ignores_generator_exit_is_an_error_as_of_a_coroutine():
    class Trap:
        def __await__(self):
            yield

    def run():
        try:
            await_(Trap())
        finally:
            await_(Trap())

    async def ignoring():
        try:
            await Trap()
        finally:
            await Trap()

    async def native():
        await ignoring()

    for coroutine in (native(), with_portal_run_sync(run)):
        coroutine.send(None)
        with pytest.raises(RuntimeError, match=r"^coroutine ignored GeneratorExit$"):
            coroutine.close()
        with pytest.raises(RuntimeError, match=r"^cannot reuse already awaited coroutine$"):
            coroutine.send(None)


def test_what_is_thrown_may_be_answered_by_another_trap():
    class Trap:
        def __init__(self, value):
            self.value = value

        def __await__(self):
            return (yield self.value)

    def run():
        try:
            await_(Trap("first"))
        except KeyError:
            return await_(Trap("second"))

    portal = with_portal_run_sync(run)
    assert portal.send(None) == "first"
    assert portal.throw(KeyError("x")) == "second"
    with pytest.raises(StopIteration, match="result"):
        portal.send("result")


class WithGenerator:
    def __await__(self):
        yield


class WithIterator:
    """What it waits with has no throw()."""

    def __await__(self):
        return iter([1, 2])


@pytest.mark.parametrize("awaitable", [WithGenerator, WithIterator])
def test_an_exception_that_the_driver_handles_is_no_context_of_what_it_throws(awaitable):
    async def native():
        await awaitable()

    def run():
        await_(awaitable())

    def context(coroutine):
        coroutine.send(None)
        try:
            raise ValueError("handled by the driver")
        except ValueError:
            try:
                coroutine.throw(KeyError("thrown"))
            except KeyError as error:
                return repr(error.__context__)

    assert context(with_portal_run_sync(run)) == context(native()) == "None"
