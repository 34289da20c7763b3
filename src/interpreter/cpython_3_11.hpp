// CPython 3.11: one counter bounds all recursion, and a C frame says whether calls are traced.
#pragma once

#include "interpreter/context_variables.hpp"
#include "interpreter/data_stack.hpp"
#include "interpreter/handled_exceptions.hpp"
#include "interpreter/recursion.hpp"
#include "interpreter/traced_cframe.hpp"
#include "interpreter/trashcan.hpp"

namespace switchback::interpreter {

using StackState = StackStateOf<DataStack, HandledExceptions, ContextVariables, TracedCFrame,
                                PythonRecursion, TrashcanDepth>;

// Why there is no native backend here, or nullptr.
inline const char* native_obstacle() { return nullptr; }

}  // namespace switchback::interpreter
