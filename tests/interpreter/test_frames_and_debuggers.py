"""Frames, tracebacks and debuggers inside portals."""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import io
import sys
import tempfile
import traceback
import tracemalloc
import warnings

import pytest
from support.by_hand import trap

import switchback
from switchback import await_, ensure_portal, with_portal_run

HERE = __file__

sees_frames_below = pytest.mark.needs_native(
    reason="greenlet hides the frames below a greenlet from those in it"
)


# Frames


def names_of_stack(frame):
    names = []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


@sees_frames_below
def test_the_frames_of_the_event_loop_are_below_those_in_a_portal(library):
    stacks = {}

    def sync(when):
        stacks[when, "before"] = names_of_stack(sys._getframe())
        await_(library.checkpoint())
        stacks[when, "after"] = names_of_stack(sys._getframe())
        await_(deeper(when))

    async def deeper(when):
        await library.checkpoint()
        stacks[when, "deeper"] = names_of_stack(sys._getframe())

    async def main():
        native = names_of_stack(sys._getframe())
        await ensure_portal()
        sync("portal")
        return native

    native = library.run(main)
    # uvloop has no Python frames of its own, so look for what runs the loop.
    runner = "test_the_frames_of_the_event_loop_are_below_those_in_a_portal"
    assert runner in native
    below = native[native.index("main") :]
    for (_, when), names in stacks.items():
        expected = ["deeper", "sync", "main"] if when == "deeper" else ["sync", "main"]
        assert names[: len(expected)] == expected
        # ensure_portal() may have changed from the first step to the loop's usual one.
        assert names[-6:] == below[-6:]
        assert runner in names
        assert not {"ensure_portal", "<portal>"} & set(names)


@sees_frames_below
def test_inspect_stack_in_the_synchronous_part(library):
    def sync():
        await_(library.checkpoint())
        return [info.function for info in inspect.stack(0)]

    async def main():
        await ensure_portal()
        return sync()

    functions = library.run(main)
    assert functions[:2] == ["sync", "main"]
    assert "test_inspect_stack_in_the_synchronous_part" in functions


def test_the_frames_of_a_suspended_portal_end_with_its_first():
    frames = []

    def sync():
        frames.append(sys._getframe())
        await_(trap())

    async def example():
        sync()

    portal = switchback._engine.open_portal(example())
    portal.send(None)
    assert names_of_stack(frames[0]) == ["sync", "example"]
    # What belongs to whoever resumed it last is not there, nor anything that has been freed.
    for _ in range(3):
        portal_frame = portal.cr_frame
        assert portal_frame.f_code.co_name == "example"
        assert portal_frame.f_back is None
    portal.close()
    assert names_of_stack(frames[0])[0] == "sync"


def test_frames_outlive_a_portal():
    frames = []

    def sync(number):
        local = [number]
        frames.append(sys._getframe())
        await_(trap())
        if number:
            return sync(number - 1)
        return local

    portal = switchback._engine.open_call_portal(sync, (5,))
    for _ in range(6):
        portal.send(None)
    assert names_of_stack(frames[-1]) == ["sync"] * 6
    with pytest.raises(StopIteration):
        portal.send(None)
    del portal
    assert [frame.f_locals["local"] for frame in frames] == [[5], [4], [3], [2], [1], [0]]


def test_a_suspended_portals_stack_can_be_printed():
    def sync():
        await_(trap())

    async def example():
        sync()

    portal = switchback._engine.open_portal(example())
    portal.send(None)
    text = "".join(traceback.format_stack(portal.cr_frame))
    assert "in example" in text
    portal.close()


def test_warnings_name_the_line_that_their_stacklevel_asks_for(library):
    def warn(level):
        await_(library.checkpoint())
        warnings.warn("careful", UserWarning, stacklevel=level)

    def sync(level):
        warn(level)

    async def main():
        await ensure_portal()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for level in range(1, 30):
                sync(level)
        return [(warning.filename, warning.lineno) for warning in caught]

    found = library.run(main)
    first = warn.__code__.co_firstlineno
    assert found[0] == (HERE, first + 2)
    assert found[1] == (HERE, sync.__code__.co_firstlineno + 1)
    assert len(found) == 29


@sees_frames_below
def test_tracebacks_print_inside_a_portal(library):
    def sync():
        text = io.StringIO()
        await_(library.checkpoint())
        traceback.print_stack(file=text)
        return text.getvalue()

    async def main():
        await ensure_portal()
        return sync()

    text = library.run(main)
    assert "in sync" in text and "in main" in text
    assert "test_tracebacks_print_inside_a_portal" in text


@sees_frames_below
def test_faulthandler_dumps_a_portals_stack(library):
    def sync():
        await_(library.checkpoint())
        # Not in `tmp_path`: pytest keeps note of its uses, which leak.sh would take for a leak.
        with tempfile.TemporaryFile("w+") as file:
            faulthandler.dump_traceback(file=file, all_threads=True)
            file.seek(0)
            return file.read()

    async def main():
        await ensure_portal()
        return sync()

    text = library.run(main)
    assert "in sync" in text and "in main" in text
    assert "test_faulthandler_dumps_a_portals_stack" in text


@sees_frames_below
def test_tracemalloc_traces_allocations_in_a_portal(library):
    def sync():
        await_(library.checkpoint())
        return bytearray(123_457)

    async def main():
        await ensure_portal()
        tracemalloc.start(40)
        try:
            kept = sync()
            return tracemalloc.get_object_traceback(kept)
        finally:
            tracemalloc.stop()

    lines = [(frame.filename, frame.lineno) for frame in library.run(main)]
    assert (HERE, sync.__code__.co_firstlineno + 2) in lines
    assert len(lines) > 4


# As debuggers do


def test_f_trace_set_on_frames_below_survives_await(library):
    """pdb's `up`, `until` and `return` set f_trace on the frames that are to stop."""
    lines = []

    def local_trace(frame, event, argument):
        if event == "line":
            lines.append((frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))
        return local_trace

    def breakpoint_here():
        frame = sys._getframe().f_back
        while frame is not None and frame.f_code.co_filename == HERE:
            frame.f_trace = local_trace
            frame = frame.f_back
        sys.settrace(lambda *_: None)

    def sync():
        breakpoint_here()
        await_(library.checkpoint())
        return 1

    async def main():
        await ensure_portal()
        try:
            sync()
            await library.checkpoint()
        finally:
            sys.settrace(None)

    library.run(main)
    assert [line for line in lines if line[0] == "sync"] == [("sync", 2), ("sync", 3)]
    assert next(line for line in lines if line[0] == "main") == ("main", 4)


def test_pdb_steps_across_await(asyncio_library):
    import pdb

    output = io.StringIO()
    commands = io.StringIO("next\nnext\nwhere\nreturn\nup\np name\ncontinue\n")

    def sync():
        debugger = pdb.Pdb(stdin=commands, stdout=output, nosigint=True, readrc=False)
        debugger.set_trace()
        first = await_(asyncio.sleep(0, 1))
        second = await_(asyncio.sleep(0, 2))
        return first + second

    async def main():
        name = "of main"
        await ensure_portal()
        result = sync()
        return result, name

    before = sys.gettrace()
    try:
        assert asyncio_library.run(main) == (3, "of main")
    finally:
        sys.settrace(before)
        # pdb stays the tracer of a frame above, which would keep it and all that it has stopped in.
        frame = sys._getframe()
        while frame is not None:
            if isinstance(getattr(frame.f_trace, "__self__", None), pdb.Pdb):
                frame.f_trace = None
            frame = frame.f_back
    assert "second = await_(asyncio.sleep(0, 2))" in output.getvalue()
    assert "--Return--" in output.getvalue()
    assert "'of main'" in output.getvalue()


def test_the_traceback_of_an_exception_has_none_of_our_frames(library):
    async def failing():
        await library.checkpoint()
        raise ValueError("here")

    def sync():
        await_(failing())

    async def main():
        await ensure_portal()
        try:
            sync()
        except ValueError as error:
            return [entry.name for entry in traceback.extract_tb(error.__traceback__)]

    assert library.run(main) == ["main", "sync", "failing"]


def test_exceptions_that_leave_with_portal_run_show_where_they_came_from(library):
    async def failing():
        await library.checkpoint()
        raise ValueError("here")

    async def work():
        await_(failing())

    async def main():
        try:
            await with_portal_run(work)
        except ValueError as error:
            return [entry.name for entry in traceback.extract_tb(error.__traceback__)]

    assert library.run(main) == ["main", "with_portal_run", "work", "failing"]
