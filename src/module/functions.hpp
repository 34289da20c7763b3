// The functions of the module switchback._engine.
#pragma once

#include "interpreter/python.hpp"

namespace switchback {

// Each ends in an entry without a name. The first has portals, and await_() with what belongs to
// it; the other one has what holds for all of them.
extern PyMethodDef functions[];
extern PyMethodDef setting_functions[];

}  // namespace switchback
