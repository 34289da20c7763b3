// CPython 3.15: as 3.14, and a sampling profiler in another process may remember frames.
#pragma once

#include "interpreter/c_stack_limits.hpp"
#include "interpreter/context_variables.hpp"
#include "interpreter/current_frame.hpp"
#include "interpreter/data_stack.hpp"
#include "interpreter/handled_exceptions.hpp"
#include "interpreter/jit_executor.hpp"
#include "interpreter/profiled_frame.hpp"
#include "interpreter/recursion.hpp"

namespace switchback::interpreter {

using StackState = StackStateOf<DataStack, HandledExceptions, ContextVariables, CurrentFrame,
                                JitExecutor, PythonRecursion, CStackLimits, ProfiledFrame>;

// Why there is no native backend here, or nullptr.
inline const char* native_obstacle() { return nullptr; }

}  // namespace switchback::interpreter
