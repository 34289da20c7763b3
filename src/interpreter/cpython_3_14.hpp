// CPython 3.14: the C stack is measured, whose limits can be set from 3.14.1 on; there may be a
// JIT.
#pragma once

#include "interpreter/c_stack_limits.hpp"
#include "interpreter/context_variables.hpp"
#include "interpreter/current_frame.hpp"
#include "interpreter/data_stack.hpp"
#include "interpreter/handled_exceptions.hpp"
#include "interpreter/jit_executor.hpp"
#include "interpreter/recursion.hpp"

namespace switchback::interpreter {

using StackState = StackStateOf<DataStack, HandledExceptions, ContextVariables, CurrentFrame,
                                JitExecutor, PythonRecursion, CStackLimits>;

// Why there is no native backend here, or nullptr.
inline const char* native_obstacle() {
  if (PyUnstable_ThreadState_SetStackProtection != nullptr) return nullptr;
  return "CPython 3.14.0 cannot be told of the limits of a stack: use 3.14.1 or later";
}

}  // namespace switchback::interpreter
