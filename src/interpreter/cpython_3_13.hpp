// CPython 3.13: the thread state points at the current frame; the C recursion counter also bounds
// deallocation.
#pragma once

#include "interpreter/context_variables.hpp"
#include "interpreter/current_frame.hpp"
#include "interpreter/data_stack.hpp"
#include "interpreter/handled_exceptions.hpp"
#include "interpreter/recursion.hpp"

namespace switchback::interpreter {

using StackState = StackStateOf<DataStack, HandledExceptions, ContextVariables, CurrentFrame,
                                PythonRecursion, CRecursion>;

// Why there is no native backend here, or nullptr.
inline const char* native_obstacle() { return nullptr; }

}  // namespace switchback::interpreter
