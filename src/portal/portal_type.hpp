// The Python type of portals: the coroutine protocol, and the attributes that tools look at.
#pragma once

#include "portal/portal.hpp"

namespace switchback::portal {

// Makes the type and adds it to the module; returns false with an exception set on failure.
bool add_portal_type(PyObject* module, ModuleState& module_state);

// Has the slots by which most steps are run note them in the timeline, or not any more: while there
// is none, nothing has to be asked.
void set_noted(const ModuleState& module_state, bool is_noted);

}  // namespace switchback::portal
