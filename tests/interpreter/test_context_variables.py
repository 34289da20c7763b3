"""Context variables are those that `await` would see, and set."""

import contextvars

import pytest
from support.context_variables import set_it, variable

from switchback import await_, ensure_portal, with_portal_run, with_portal_run_sync

pytestmark = pytest.mark.unknown_minor


other = contextvars.ContextVar("other", default="default")


async def get_it(library):
    before = variable.get()
    await library.checkpoint()
    assert variable.get() == before
    return before


def test_a_write_in_a_coroutine_is_visible_in_the_caller(both_ways):
    async def scenario(library, seen):
        await set_it(library, "by the coroutine")
        seen.append(variable.get())

    assert both_ways(scenario).seen == ["by the coroutine"]


def test_a_write_in_the_caller_is_visible_in_a_coroutine(both_ways):
    async def scenario(library, seen):
        variable.set("by the caller")
        seen.append(await get_it(library))

    assert both_ways(scenario).seen == ["by the caller"]


def test_a_write_in_the_synchronous_part_is_visible_after_it(library):
    def run():
        variable.set("before a checkpoint")
        await_(library.checkpoint())
        other.set("after a checkpoint")

    async def main():
        await with_portal_run_sync(run)
        first = variable.get(), other.get()
        await library.checkpoint()
        return first, (variable.get(), other.get())

    expected = ("before a checkpoint", "after a checkpoint")
    assert library.run(main) == (expected, expected)


def test_a_write_in_a_portal_that_never_suspends_is_visible_after_it(library):
    async def main():
        await with_portal_run_sync(variable.set, "set")
        return variable.get()

    assert library.run(main) == "set"


def test_a_write_before_the_portal_is_visible_in_it(library):
    async def main():
        variable.set("before")
        return await with_portal_run_sync(lambda: (await_(library.checkpoint()), variable.get()))

    assert library.run(main) == (None, "before")


def test_a_write_inside_with_portal_run_is_visible_after_it(library):
    async def work():
        await library.checkpoint()
        variable.set("async")
        await_(library.checkpoint())
        return variable.get()

    async def main():
        return await with_portal_run(work), variable.get()

    assert library.run(main) == ("async", "async")


def test_a_write_under_ensure_portal_is_visible_in_the_task_alone(library):
    def run():
        variable.set("in the task")
        await_(library.checkpoint())

    async def work():
        await ensure_portal()
        run()
        return variable.get()

    async def main():
        [inside] = await library.gather(work)
        return inside, variable.get()

    assert library.run(main) == ("in the task", "default")


def test_a_token_resets_across_await(both_ways):
    async def scenario(library, seen):
        token = variable.set("temporary")
        await library.checkpoint()
        seen.append(variable.get())
        variable.reset(token)
        await library.checkpoint()
        seen.append(variable.get())

    assert both_ways(scenario).seen == ["temporary", "default"]


def test_a_token_resets_in_another_function_than_it_was_made_in(library):
    async def make():
        await library.checkpoint()
        return variable.set("temporary")

    def run():
        token = await_(make())
        assert variable.get() == "temporary"
        await_(library.checkpoint())
        return token

    async def main():
        token = await with_portal_run_sync(run)
        variable.reset(token)
        return variable.get()

    assert library.run(main) == "default"


def test_tokens_reset_in_nested_levels(library):
    def run(level):
        token = variable.set(level)
        if level:
            await_(again(level - 1))
        await_(library.checkpoint())
        assert variable.get() == level
        variable.reset(token)

    async def again(level):
        await library.checkpoint()
        run(level)

    async def main():
        await with_portal_run_sync(run, 10)
        return variable.get()

    assert library.run(main) == "default"
