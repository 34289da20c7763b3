// The timeline of a module: which portal runs and waits when, noted at each step.
#pragma once

#include "portal/portal.hpp"

namespace switchback::portal {

// Has steps noted from now on. Returns false with an exception set, such as RuntimeError where they
// are noted already.
bool start_timeline(ModuleState& module_state);

// What Timeline::take() returns. Returns nullptr with RuntimeError set where there is none.
PyObject* take_timeline(ModuleState& module_state);

// The same for the last time: no more steps are noted. In a child of fork(), what other threads of
// the parent were about to write is left as it is.
PyObject* stop_timeline(ModuleState& module_state);

// As a portal goes away that has not ended by a step.
void end_track(const Portal* self);

}  // namespace switchback::portal
