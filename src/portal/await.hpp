// await_(): what a synchronous function calls to await.
#pragma once

#include "portal/portal.hpp"

namespace switchback::portal {

// The method of the module; `awaitable` borrowed. What may switch: this suspends the running fiber
// each time that the awaitable yields a trap to the event loop.
PyObject* await_function(PyObject* module, PyObject* awaitable);

// The portal in which await_() works here: its step is the innermost that runs in this thread, and
// the task that it belongs to is the innermost one. Borrowed; nullptr if there is none.
Portal* active_portal();

}  // namespace switchback::portal
