"""What an attacker, or a mistake in C code, must not get out of the stacks."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import platform
import shutil
import subprocess
import sys
import textwrap
import weakref

import pytest
from support.by_hand import finish, trap
from support.children import compile_library, environment, preload, run_python

from switchback import _engine, await_, ensure_portal

pytestmark = [
    pytest.mark.needs_native(reason="is about stacks of our own"),
    pytest.mark.page_size,
]


@pytest.fixture(scope="module")
def compile_c(tmp_path_factory):
    """A function that makes a library of C source, and returns its path."""

    def compile_text(name, text, *options):
        source = tmp_path_factory.mktemp(name) / f"{name}.c"
        source.write_text(textwrap.dedent(text))
        return compile_library(source, source.with_suffix(".so"), *options)

    return compile_text


@pytest.fixture(scope="module")
def segments():
    """The program headers of the extension module, as readelf prints them."""
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("needs readelf")
    command = [readelf, "-lW", _engine.__file__]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in output.splitlines()]
    # Type, offset, two addresses, two sizes, flags ("RW", "R E") and alignment.
    return [(row[0], "".join(row[6:-1])) for row in rows if len(row) > 6 and row[1][:2] == "0x"]


def test_the_extension_asks_for_no_executable_stack(segments):
    assert [flags for kind, flags in segments if kind == "GNU_STACK"] == ["RW"]


def test_no_segment_is_both_writable_and_executable(segments):
    assert [flags for kind, flags in segments if kind == "LOAD"]
    assert not [flags for kind, flags in segments if kind == "LOAD" and {"W", "E"} <= {*flags}]


def test_relocations_are_read_only_after_loading(segments):
    assert "GNU_RELRO" in [kind for kind, _ in segments]


MAPPINGS = """
    from support.by_hand import trap
    from switchback import _engine, await_

    portal = _engine.open_call_portal(lambda: await_(trap()), ())
    portal.send(None)
    with open("/proc/self/maps") as maps:
        print(maps.read())
    portal.close()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_stacks_are_not_executable():
    # In a process of its own: once a test has had a callback of ctypes, some memory is.
    child = run_python("-c", textwrap.dedent(MAPPINGS))
    assert child.returncode == 0, child.stdout
    rows = [line.split() for line in child.stdout.splitlines()]
    writable = {row[1] for row in rows if row and "w" in row[1] and len(row) < 6}
    assert writable
    assert not [permissions for permissions in writable if "x" in permissions], child.stdout


# Shadow stacks


def test_the_extension_is_not_marked_as_able_to_work_with_shadow_stacks():
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("needs readelf")
    command = [readelf, "-nW", _engine.__file__]
    notes = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "SHSTK" not in notes, notes


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="elsewhere there are none"
)
def test_a_process_with_shadow_stacks_is_refused_at_import(compile_c):
    # Few processors have them. To the import, the answer of the kernel is all that there is.
    library = compile_c(
        "shadow_stacks",
        """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdarg.h>
        #include <sys/syscall.h>

        long syscall(long number, ...) {
          long a[6];
          va_list list;
          va_start(list, number);
          for (int i = 0; i < 6; ++i) a[i] = va_arg(list, long);
          va_end(list);
          if (number == SYS_arch_prctl && (int)a[0] == 0x5005) {
            *(unsigned long *)a[1] = 1;
            return 0;
          }
          long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
          return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        }
        """,
        "-ldl",
    )
    child = run_python("-c", "import switchback", merged=False, LD_PRELOAD=preload(library))
    assert child.returncode == 1, child
    assert "ImportError: switchback cannot switch stacks" in child.stderr, child
    assert "GLIBC_TUNABLES=glibc.cpu.x86_shstk=off" in child.stderr, child


# Below each stack


OVERRUN = """
    #include <string.h>
    __attribute__((noinline)) int overrun(int levels) {
      volatile char frame[FRAME];
      memset((void *)frame, levels, sizeof frame);
      return levels == 0 ? 0 : overrun(levels - 1) + frame[0] + 1;
    }
"""


@pytest.fixture(scope="module", params=[200, 8000, 60_000])
def overrun(request, compile_c):
    """A library with a function that recurses in C without end, by frames of some size."""
    return compile_c("overrun", OVERRUN, "-O0", f"-DFRAME={request.param}")


@pytest.mark.parametrize("neighbours", [0, 100])
def test_c_code_that_overruns_its_stack_dies_at_the_guard(overrun, neighbours):
    script = """
        import ctypes, sys
        from support.by_hand import trap
        from switchback import _engine, await_

        library, neighbours = sys.argv[1], int(sys.argv[2])
        function = ctypes.CDLL(library).overrun
        assert function(3) >= 3
        waiting = [_engine.open_call_portal(await_, (trap(),)) for _ in range(neighbours)]
        for portal in waiting[: neighbours // 2]:
            portal.send(None)
        portal = _engine.open_call_portal(lambda: (await_(trap()), function(2**30)), ())
        portal.send(None)
        for other in waiting[neighbours // 2 :]:
            other.send(None)
        print("before", flush=True)
        portal.send(None)
        print("after", flush=True)
    """
    # Without the handler of faulthandler.
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), overrun, str(neighbours)],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert child.returncode == -11, child
    assert child.stdout == "before\n", child


# From one portal to the next on the same stack


class Secret(Exception):
    pass


def leave_by_exception():
    try:
        raise Secret("handled")
    except Secret:
        await_(trap())
        raise KeyError("left") from None


def leave_by_return():
    try:
        raise Secret("handled")
    except Secret:
        await_(trap())
        return sys.exc_info()[0]


def leave_deep(levels=300):
    if levels:
        return leave_deep(levels - 1)
    return leave_by_return()


def leave_by_close():
    try:
        raise Secret("handled")
    except Secret:
        await_(trap())


def leave_in_another_context():
    variable.set("outer")
    contextvars.copy_context().run(lambda: (variable.set("secret"), await_(trap())))


def leave_a_generator_open():
    def generator():
        try:
            raise Secret("in a generator")
        except Secret:
            yield await_(trap())

    kept.append(generator())
    return next(kept[0])


kept = []


variable = contextvars.ContextVar("variable", default="nothing")


@pytest.mark.parametrize(
    "leave",
    [
        leave_by_exception,
        leave_by_return,
        leave_deep,
        leave_by_close,
        leave_in_another_context,
        leave_a_generator_open,
    ],
)
def test_a_used_stack_shows_nothing_of_its_last_portal(leave):
    def look():
        try:
            raise KeyError("mine")
        except KeyError as error:
            context = error.__context__
        frames = []
        frame = sys._getframe()
        while frame is not None:
            frames.append(frame.f_code)
            frame = frame.f_back
        return sys.exc_info(), context, variable.get(), leave.__code__ in frames

    # So that the look is on that very stack, and not on one that lies idle above it.
    idle = _engine.idle_stacks()
    portal = _engine.open_call_portal(leave, ())
    contextvars.copy_context().run(portal.send, None)
    if leave is leave_by_close:
        portal.close()
    else:
        try:
            contextvars.copy_context().run(portal.send, None)
        except (StopIteration, KeyError):
            pass
    assert _engine.idle_stacks() >= idle
    exc_info, context, value, is_in_frames = finish(_engine.open_call_portal(look, ()))
    assert exc_info == (None, None, None)
    assert context is None
    assert value == "nothing"
    assert not is_in_frames
    kept.clear()


def test_a_used_stack_keeps_no_object_alive():
    class Token:
        pass

    def use(token, levels):
        if levels:
            return use(token, levels - 1)
        try:
            raise Secret(token)
        except Secret:
            await_(trap())
        return None

    token = Token()
    reference = weakref.ref(token)
    portal = _engine.open_call_portal(use, (token, 50))
    del token
    finish(portal)
    del portal
    gc.collect()
    assert reference() is None


def test_a_stack_that_ends_by_an_exception_under_asyncio_leaves_the_task_none():
    async def main():
        async def fail():
            await ensure_portal()
            leave_by_exception()

        def leave_by_exception():
            try:
                raise Secret
            except Secret:
                await_(asyncio.sleep(0))
                raise

        async def look():
            await ensure_portal()
            return sys.exc_info()[0], await_(asyncio.sleep(0, "slept"))

        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        assert type(task.exception()) is Secret
        return await asyncio.create_task(look())

    assert asyncio.run(main()) == (None, "slept")
