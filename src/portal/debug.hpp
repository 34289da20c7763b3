// What debug mode looks at: a portal that is about to be suspended, and one that has been.
#pragma once

#include "portal/portal.hpp"

namespace switchback::portal {

// Where module_state.debug is set: has the Python package look. The first is called on the portal's
// stack, the second on the resumer's. Both run Python code; no exception is set before or after.
void look_before_suspension(Portal* self);
void look_at_suspension(Portal* self);

}  // namespace switchback::portal
