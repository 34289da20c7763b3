"""Functions written in C that are called directly in a portal find globals, builtins and frames."""

# mark: needs_native: greenlet hides the frames below a greenlet from those in it

import asyncio
import builtins
import faulthandler
import functools
import importlib
import json
import sys
import tempfile
import types
import typing
import warnings

import switchback._portals
from switchback import with_portal_run_sync

#: The functions are called from there.
CALLER = vars(switchback._portals)


async def expect(value, function, *args, **kwargs):
    result = await with_portal_run_sync(function, *args, **kwargs)
    assert result == value, (function, result)


async def main():
    namespace = {}
    await expect(None, exec, "import json\nx = len([1])", namespace)
    assert namespace["x"] == 1
    assert namespace["__builtins__"] in (builtins, vars(builtins))
    await expect(2, eval, "1 + 1", {})
    await expect(2, eval, "1 + 1")
    await expect(CALLER["__name__"], eval, "__name__")
    await expect(json, __import__, "json")
    await expect(json, importlib.reload, json)
    await expect(CALLER, globals)
    await expect(2, functools.partial(eval, "1 + 1", {}))
    await expect([1, 2], list, map(eval, ["1", "2"]))
    # What they find of names is undefined here, but they must not look astray.
    for function in (locals, vars, dir):
        await with_portal_run_sync(function)
    try:
        await with_portal_run_sync(super)
    except RuntimeError as error:
        assert str(error).startswith("super(): "), error
    else:
        raise AssertionError("super() without arguments has succeeded")
    code = await with_portal_run_sync(compile, "1", "f", "eval")
    assert eval(code) == 1
    made = await with_portal_run_sync(types.FunctionType, (lambda: len([1])).__code__, {})
    assert made() == 1
    assert (await with_portal_run_sync(type, "Made", (), {})).__name__ == "Made"
    assert (await with_portal_run_sync(typing.TypeVar, "T")).__name__ == "T"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await with_portal_run_sync(warnings.warn, "text")
    assert [str(warning.message) for warning in caught] == ["text"]
    frames = await with_portal_run_sync(sys._current_frames)
    assert frames
    with tempfile.TemporaryFile() as file:
        await with_portal_run_sync(faulthandler.dump_traceback, file)
        file.seek(0)
        assert b"in main" in file.read()


asyncio.run(main())
