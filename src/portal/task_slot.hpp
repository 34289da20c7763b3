// Replacing the coroutine of a task whose type keeps it in a private field of a C structure.
#pragma once

#include "portal/state.hpp"

namespace switchback::portal {

// Creates the type TaskSlot; returns false with an exception set on failure.
bool add_task_slot_type(PyObject* module, ModuleState& state);

}  // namespace switchback::portal
