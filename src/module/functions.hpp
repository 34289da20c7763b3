// The functions of the module switchback._engine.
#pragma once

#include "interpreter/python.hpp"

namespace switchback {

// Ends in an entry without a name.
extern PyMethodDef functions[];

}  // namespace switchback
