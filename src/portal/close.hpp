// Closing and dropping portals: GeneratorExit is raised where a portal is suspended.
#pragma once

#include "portal/portal.hpp"

namespace switchback::portal {

// What coroutine.close() does. Returns an owned reference, or nullptr with an exception set. What
// may switch: this takes a step.
PyObject* close_portal(Portal* self);

// The finalizer of portals: closes one that is dropped while suspended, or whose thread ends; with
// the exception state preserved. Only in the portal's own thread: in another one, the portal is
// left to that.
void finalize_portal(PyObject* self);

// Closes every portal that this thread state has suspended in await_(), as dropping them would.
// Runs Python code; errors go to sys.unraisablehook.
void close_suspended_portals();

}  // namespace switchback::portal
