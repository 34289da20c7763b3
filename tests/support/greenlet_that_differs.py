"""greenlet, made to look as one that is not known; a program imports this before anything else.

`pretend("...")` has each later import of greenlet give one of which one part is another than
expected. It is looked at when it is imported, so that a program may import it at any time.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.machinery
import sys
from typing import Any

# Where things are: in PyMethodDescrObject and PyMethodDef, on 64 bits.
_DEFINITION = 40
_FUNCTION, _FLAGS = 8, 16
_METH_COEXIST = 0x40

_kept: list[object] = []


def _method(module: Any, name: str) -> int:
    """Return the address of a method's PyMethodDef."""
    address = id(vars(module.greenlet)[name]) + _DEFINITION
    return ctypes.c_void_p.from_address(address).value or 0


def _flags(module: Any, name: str) -> None:
    ctypes.c_int.from_address(_method(module, name) + _FLAGS).value |= _METH_COEXIST


def _no_function(module: Any, name: str) -> None:
    ctypes.c_void_p.from_address(_method(module, name) + _FUNCTION).value = None


def _other_method(module: Any, name: str) -> None:
    (members,) = gc.get_referents(vars(module.greenlet))
    original = members[name]
    members[name] = lambda self, *args, **kwargs: original(self, *args, **kwargs)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(module.greenlet))


def _table(module: Any) -> Any:
    address = ctypes.pythonapi.PyCapsule_GetPointer
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return (ctypes.c_void_p * 12).from_address(address(module._C_API, b"greenlet._C_API"))


def _type(module: Any, entry: int | None) -> None:
    _table(module)[0] = entry


def _copy_of_the_type(module: Any) -> None:
    # Bytes that say of themselves what the type does, beyond the head that they have of their own.
    head = bytes.__basicsize__ - 1
    copy = ctypes.string_at(id(module.greenlet) + head, 400)
    _kept.append(copy)
    _type(module, id(copy))


def _no_throw(module: Any) -> None:
    _table(module)[5] = None


def _no_table(module: Any) -> None:
    del module._C_API


class _WithoutMethods:
    """In place of the type greenlet."""


#: What is changed -> how.
PRETENCES = {
    "flags of switch": lambda module: _flags(module, "switch"),
    "flags of throw": lambda module: _flags(module, "throw"),
    "method switch": lambda module: _other_method(module, "switch"),
    "method throw": lambda module: _other_method(module, "throw"),
    "no function of throw": lambda module: _no_function(module, "throw"),
    "no type": lambda module: _type(module, None),
    "no type but what reads as one": _copy_of_the_type,
    "another type": lambda module: _type(module, id(_WithoutMethods)),
    "no throw in the table": _no_throw,
    "no table": _no_table,
}


class _Loader:
    def __init__(self, loader: Any, what: str) -> None:
        self._loader = loader
        self._what = what

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)
        PRETENCES[self._what](module)


class _Finder:
    def __init__(self, what: str) -> None:
        self._what = what

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != "greenlet":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Loader(spec.loader, self._what)  # type: ignore[assignment]
        return spec


def pretend(what: str) -> None:
    assert "greenlet" not in sys.modules and "switchback" not in sys.modules
    sys.meta_path.insert(0, _Finder(what))
