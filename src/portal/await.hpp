// await_(): what a synchronous function calls to await.
#pragma once

#include "portal/state.hpp"

namespace switchback::portal {

// The method of the module; `awaitable` borrowed. What may switch: this suspends the running fiber
// each time that the awaitable yields a trap to the event loop.
PyObject* await_function(PyObject* module, PyObject* awaitable);

// Whether await_() works here: a portal's step is running in this thread, and the task that it
// belongs to is the innermost one.
bool in_portal(ModuleState& state);

}  // namespace switchback::portal
