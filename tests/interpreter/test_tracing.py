"""Tracing, profiling and monitoring inside portals, compared with plain `await`."""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
import sys

import pytest

from switchback import await_, ensure_portal

NATIVE = """
async def leaf(checkpoint, number):
    await checkpoint()
    if number == 3:
        raise ValueError(number)
    return number

async def middle(checkpoint, number):
    total = 0
    try:
        for step in range(number):
            total += await leaf(checkpoint, step)
    except ValueError:
        total += 100
    return total

async def top(checkpoint):
    first = await middle(checkpoint, 3)
    await checkpoint()
    second = await middle(checkpoint, 5)
    return first + second
"""


PORTAL = (
    NATIVE.replace("async def middle", "def middle")
    .replace("await leaf", "await_(leaf")
    .replace("(checkpoint, step)", "(checkpoint, step))", 1)
    .replace("await middle", "middle")
)


def compile_program(text):
    assert "await_(leaf(checkpoint, step))" in text or text is NATIVE
    namespace = {"await_": await_}
    exec(compile(text, "<program>", "exec"), namespace)
    return namespace["top"]


def is_program(code):
    return code.co_filename == "<program>"


def watch(library, program, start, stop):
    """Run a program in a task, with a portal or not, between start() and stop()."""
    top = compile_program(program)

    async def main():
        if program is PORTAL:
            await ensure_portal()
        start()
        try:
            return await top(library.checkpoint)
        finally:
            stop()

    assert library.run(main) == 3 + 103


# A coroutine that is suspended and resumed shows a return and a call in each of its frames. Up to
# 3.13 so does a synchronous function that waits in await_(). What is left is that tools are told of
# a StopIteration where a coroutine ends that is awaited.

tells_of_switches = pytest.mark.minor(
    before="3.14", reason="tools are not told of switches from there on"
)


def record_trace(library, program):
    events = []

    def trace(frame, event, argument):
        if not is_program(frame.f_code):
            return None
        raised = argument[0] if event == "exception" else None
        events.append((frame.f_code.co_name, event, frame.f_lineno, raised))
        return trace

    watch(library, program, lambda: sys.settrace(trace), lambda: sys.settrace(None))
    return events


def test_settrace_sees_the_same_lines(library):
    native = [event for event in record_trace(library, NATIVE) if event[1] == "line"]
    portal = [event for event in record_trace(library, PORTAL) if event[1] == "line"]
    assert len(native) > 30
    assert portal == native


def test_settrace_sees_the_same_events_where_both_suspend(library):
    native = [event for event in record_trace(library, NATIVE) if event[0] == "leaf"]
    portal = [event for event in record_trace(library, PORTAL) if event[0] == "leaf"]
    assert portal == native


@tells_of_switches
def test_settrace_sees_the_same_events_in_all_functions(library):
    native, portal = record_trace(library, NATIVE), record_trace(library, PORTAL)
    assert [event for event in portal if event[3] is not StopIteration] == [
        event for event in native if event[3] is not StopIteration
    ]
    assert [event for event in portal if event[0] == "middle"][:5] == [
        ("middle", "call", 8, None),
        ("middle", "line", 9, None),
        ("middle", "line", 10, None),
        ("middle", "line", 11, None),
        ("middle", "line", 12, None),
    ]


@tells_of_switches
def test_setprofile_sees_the_same_events_in_all_functions(library):
    def record(program):
        events = []

        def profile(frame, event, argument):
            if is_program(frame.f_code) and event in ("call", "return"):
                events.append((frame.f_code.co_name, event, frame.f_lineno))

        watch(library, program, lambda: sys.setprofile(profile), lambda: sys.setprofile(None))
        return events

    native = record(NATIVE)
    assert len(native) > 40
    assert record(PORTAL) == native


def test_trace_functions_installed_in_a_portal_stay_installed_outside(asyncio_library):
    # They belong to the thread, not to the stack.
    seen = set()

    def profile(frame, event, argument):
        seen.add(frame.f_code.co_name)

    def sync():
        sys.setprofile(profile)
        await_(asyncio.sleep(0))
        assert sys.getprofile() is profile

    async def other():
        def called_elsewhere():
            pass

        for _ in range(3):
            called_elsewhere()
            await asyncio.sleep(0)

    async def main():
        task = asyncio.create_task(other())
        await ensure_portal()
        try:
            sync()
            assert sys.getprofile() is profile
        finally:
            sys.setprofile(None)
        await task

    asyncio_library.run(main)
    assert "called_elsewhere" in seen


@pytest.mark.minor(since="3.12", reason="sys.monitoring is new in 3.12")
def test_monitoring_sees_the_same_lines_and_leaf_events(library):
    monitoring = sys.monitoring
    tool = 4

    def record(program):
        events = []

        def on(name):
            def callback(code, *arguments):
                if is_program(code):
                    events.append((name, code.co_name, arguments[0]))

            return callback

        names = ["LINE", "PY_START", "PY_RETURN", "PY_YIELD", "PY_RESUME", "RAISE", "PY_UNWIND"]
        events_set = 0

        def start():
            nonlocal events_set
            monitoring.use_tool_id(tool, "test")
            for name in names:
                event = getattr(monitoring.events, name)
                monitoring.register_callback(tool, event, on(name))
                events_set |= event
            monitoring.set_events(tool, events_set)

        def stop():
            monitoring.set_events(tool, 0)
            for name in names:
                monitoring.register_callback(tool, getattr(monitoring.events, name), None)
            monitoring.free_tool_id(tool)

        watch(library, program, start, stop)
        return events

    native, portal = record(NATIVE), record(PORTAL)
    lines = [event for event in portal if event[0] == "LINE"]
    assert len(lines) > 30
    assert lines == [event for event in native if event[0] == "LINE"]
    assert [event for event in portal if event[1] == "leaf"] == [
        event for event in native if event[1] == "leaf"
    ]


@tells_of_switches
def test_a_profiler_counts_the_same_calls_of_the_users_functions(library):
    def count(program):
        profiler = cProfile.Profile()
        watch(library, program, profiler.enable, profiler.disable)
        stats = pstats.Stats(profiler, stream=io.StringIO()).stats
        return {name: entry[:2] for (file, _, name), entry in stats.items() if file == "<program>"}

    native = count(NATIVE)
    assert native["middle"][0] > 5
    assert count(PORTAL) == native
