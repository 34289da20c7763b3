// Driving an awaitable by hand, exactly as the interpreter's `await` does.
#pragma once

#include "portal/module_state.hpp"

namespace switchback::portal {

// A coroutine that is suspended in an `await` belongs to whoever awaits it; sending to it as well
// would resume it with the wrong value. Returns false then, with RuntimeError set.
bool check_not_awaited(PyObject* coroutine);

// What `await awaitable` would iterate over: the coroutine itself, or what __await__() returns. An
// empty reference with the interpreter's TypeError or RuntimeError set on failure. Runs Python.
Ref await_iterator(PyObject* awaitable);

// iterator.throw(exception), `exception` borrowed; an iterator without throw() has the exception
// raised in its place. *result as PyIter_Send() sets it.
PySendResult throw_into(ModuleState& module_state, PyObject* iterator, PyObject* exception,
                        PyObject** result);

// The same as a generator does it for the object that it delegates to: GeneratorExit closes the
// iterator and is then raised in its place.
PySendResult throw_into_delegate(ModuleState& module_state, PyObject* iterator, PyObject* exception,
                                 PyObject** result);

// iterator.close(), where there is one. Returns false with an exception set on failure.
bool close_iterator(ModuleState& module_state, PyObject* iterator);

// Turns the outcome of calling send(), throw() or next() into that of PyIter_Send(): a returned
// object (stolen) was yielded; a raised StopIteration means a return.
PySendResult send_result(PyObject* returned, PyObject** result);

// Raises StopIteration with `value` (borrowed) as its value.
void set_stop_iteration(PyObject* value);

}  // namespace switchback::portal
