"""Tools that raise, await, or look at frames and code while they are told of a switch."""

from __future__ import annotations

import asyncio
import inspect
import sys

import pytest

from switchback import _code_facts, await_, ensure_portal, with_portal_run_sync


async def pause():
    await asyncio.sleep(0)


def waits():
    await_(pause())
    return 1


def is_switch(frame, event, name):
    return event in ("call", "return") and frame.f_code.co_name == name


@pytest.mark.parametrize("kind", ["settrace", "setprofile"])
@pytest.mark.parametrize("last", [2, 3], ids=["suspension", "resumption"])
def test_what_a_tool_raises_at_a_switch_is_raised_by_await(kind, last):
    seen, caught = [], []

    def tool(frame, event, argument):
        if is_switch(frame, event, "catches"):
            seen.append(event)
            if len(seen) == last:
                raise ZeroDivisionError
        return tool

    def catches():
        try:
            await_(pause())
        except ZeroDivisionError as error:
            caught.append(error)

    async def main():
        getattr(sys, kind)(tool)
        try:
            await with_portal_run_sync(catches)
        finally:
            getattr(sys, kind)(None)
        return await with_portal_run_sync(waits)

    assert asyncio.run(main()) == 1
    assert len(caught) == 1
    assert seen == ["call", "return", "call"][:last]


@pytest.mark.parametrize("kind", ["settrace", "setprofile"])
def test_a_tool_may_await_and_others_are_traced_meanwhile(kind):
    seen = []

    def called_elsewhere():
        pass

    def tool(frame, event, argument):
        if event == "call":
            seen.append(frame.f_code.co_name)
        if event == "call" and frame.f_code.co_name == "waits" and seen.count("waits") == 2:
            seen.append("begins")
            await_(pause())
            await_(pause())
            seen.append("ends")
        return tool

    async def other():
        for _ in range(10):
            called_elsewhere()
            await asyncio.sleep(0)

    async def main():
        task = asyncio.create_task(other())
        getattr(sys, kind)(tool)
        try:
            return await with_portal_run_sync(waits)
        finally:
            getattr(sys, kind)(None)
            await task

    assert asyncio.run(main()) == 1
    assert "called_elsewhere" in seen[seen.index("begins") : seen.index("ends")]


@pytest.mark.parametrize("kind", ["settrace", "setprofile"])
def test_a_tool_that_is_switched_on_meanwhile_sees_the_rest(kind):
    seen = []

    def tool(frame, event, argument):
        if frame.f_code.co_name in ("waits", "outer"):
            seen.append((frame.f_code.co_name, event))
        return tool

    def outer():
        return waits() + 1

    async def other():
        getattr(sys, kind)(tool)

    async def main():
        task = asyncio.create_task(other())
        try:
            return await with_portal_run_sync(outer)
        finally:
            getattr(sys, kind)(None)
            await task

    assert asyncio.run(main()) == 2
    events = [event for event in seen if event[1] in ("call", "return")]
    assert events == [
        ("outer", "call"),
        ("waits", "call"),
        ("waits", "return"),
        ("outer", "return"),
    ]


def test_frames_look_as_those_that_wait_to_a_trace_function():
    looks = []

    def tool(frame, event, argument):
        if is_switch(frame, event, "waits_with_cell"):
            looks.append((event, frame.f_code.co_flags & inspect.CO_COROUTINE, frame.f_lineno))
            looks.append(sorted(frame.f_locals))
        return tool

    def waits_with_cell(first):
        await_(pause())
        return (lambda: first)()

    async def main():
        await ensure_portal()
        sys.settrace(tool)
        try:
            return waits_with_cell(5)
        finally:
            sys.settrace(None)

    assert asyncio.run(main()) == 5
    line = waits_with_cell.__code__.co_firstlineno
    assert looks[::2] == [
        ("call", 0, line),
        ("return", inspect.CO_COROUTINE, line + 1),
        ("call", inspect.CO_COROUTINE, line + 1),
        ("return", 0, line + 2),
    ]
    assert all("first" in names for names in looks[1::2])
    assert waits_with_cell.__code__.co_flags & inspect.CO_COROUTINE == 0


def test_a_function_of_setprofile_sees_the_codes_of_the_functions():
    codes = set()

    def tool(frame, event, argument):
        if is_switch(frame, event, "waits"):
            codes.add(frame.f_code)

    async def main():
        sys.setprofile(tool)
        try:
            return await with_portal_run_sync(waits)
        finally:
            sys.setprofile(None)

    asyncio.run(main())
    assert codes == {waits.__code__}


def test_the_c_calls_that_wait_end_and_begin_with_their_callers():
    events = []

    def tool(frame, event, argument):
        if frame.f_code.co_name == "sorts" and event.startswith("c_"):
            events.append((event, argument.__name__))

    def sorts():
        numbers = [2, 1]
        numbers.sort(key=lambda number: (waits(), number)[1])
        return sorted([3], key=lambda number: (waits(), number)[1]) + numbers

    async def main():
        sys.setprofile(tool)
        try:
            return await with_portal_run_sync(sorts)
        finally:
            sys.setprofile(None)

    assert asyncio.run(main()) == [3, 1, 2]
    assert (
        events
        == [("c_call", "sort"), ("c_return", "sort")] * 3
        + [
            ("c_call", "sorted"),
            ("c_return", "sorted"),
        ]
        * 2
    )


def test_what_is_yielded_is_shown_as_returned():
    returned = []

    def tool(frame, event, argument):
        if is_switch(frame, event, "waits") and event == "return":
            returned.append(argument)

    def waits():
        return await_(future)

    async def main():
        nonlocal future
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, 7)
        sys.setprofile(tool)
        try:
            return await with_portal_run_sync(waits)
        finally:
            sys.setprofile(None)

    future = None
    assert asyncio.run(main()) == 7
    assert returned == [future, 7]


def test_facts_are_found_out_once_for_each_code(monkeypatch):
    asked = []
    facts_of = _code_facts.facts_of
    monkeypatch.setattr(_code_facts, "facts_of", lambda code: asked.append(code) or facts_of(code))
    namespace = {"await_": await_, "pause": pause}
    exec("def waits():\n    await_(pause())\n    await_(pause())\n    return 1\n", namespace)

    async def main():
        sys.settrace(lambda *_: None)
        try:
            return await with_portal_run_sync(namespace["waits"])
        finally:
            sys.settrace(None)

    assert asyncio.run(main()) == 1
    assert asked.count(namespace["waits"].__code__) == 1


@pytest.mark.minor(since="3.12", reason="sys.monitoring is new in 3.12")
def test_a_tool_for_lines_that_is_switched_on_meanwhile_sees_the_rest():
    monitoring, tool, lines = sys.monitoring, 4, []

    def waits_with_lines():
        await_(pause())
        return 1

    code = waits_with_lines.__code__

    async def other():
        monitoring.use_tool_id(tool, "lines")
        monitoring.register_callback(
            tool, monitoring.events.LINE, lambda where, line: lines.append((where, line))
        )
        monitoring.set_events(tool, monitoring.events.LINE | monitoring.events.PY_START)

    async def main():
        task = asyncio.create_task(other())
        try:
            return await with_portal_run_sync(waits_with_lines)
        finally:
            monitoring.set_events(tool, 0)
            monitoring.register_callback(tool, monitoring.events.LINE, None)
            monitoring.free_tool_id(tool)
            await task

    assert asyncio.run(main()) == 1
    assert [line for where, line in lines if where is code] == [code.co_firstlineno + 2]


@pytest.mark.minor(since="3.12", reason="sys.monitoring is new in 3.12")
def test_a_tool_may_follow_the_waits_of_one_code_only():
    monitoring, tool, seen = sys.monitoring, 4, []
    events = monitoring.events

    def followed():
        await_(pause())
        return 1

    def not_followed():
        await_(pause())
        return followed()

    code = followed.__code__

    async def main():
        await ensure_portal()
        monitoring.use_tool_id(tool, "waits")
        for event in ("PY_YIELD", "PY_RESUME"):
            number = getattr(events, event)
            monitoring.register_callback(
                tool, number, lambda where, *_, event=event: seen.append((event, where))
            )
        try:
            monitoring.set_events(tool, events.PY_RESUME)
            monitoring.set_local_events(tool, code, events.PY_YIELD)
            return not_followed()
        finally:
            monitoring.set_local_events(tool, code, 0)
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)

    assert asyncio.run(main()) == 1
    of_functions = [
        (event, where is code) for event, where in seen if where in (code, not_followed.__code__)
    ]
    # Each event of the outer function, whose other one nobody wants, stands beside the inner one's.
    assert [event for event in of_functions if event[1]] == [
        ("PY_YIELD", True),
        ("PY_RESUME", True),
    ]
    assert [event for event in of_functions if not event[1]] == [("PY_RESUME", False)] * 2
