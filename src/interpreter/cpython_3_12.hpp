// CPython 3.12: Python and C recursion are counted apart.
#pragma once

#include "interpreter/cframe.hpp"
#include "interpreter/context_variables.hpp"
#include "interpreter/data_stack.hpp"
#include "interpreter/handled_exceptions.hpp"
#include "interpreter/recursion.hpp"
#include "interpreter/trashcan.hpp"

namespace switchback::interpreter {

using StackState = StackStateOf<DataStack, HandledExceptions, ContextVariables, CFrame,
                                PythonRecursion, CRecursion, TrashcanDepth>;

// Why there is no native backend here, or nullptr.
inline const char* native_obstacle() { return nullptr; }

}  // namespace switchback::interpreter
