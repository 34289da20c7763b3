// CPython 3.14: the limits of the C stack are exchanged, from 3.14.1 on.
#pragma once

#include "interpreter/measured_stack.hpp"

namespace switchback::interpreter {

using Resumer = MeasuredResumer;
using StackState = MeasuredState;

// Why there is no native backend here, or nullptr.
inline const char* native_obstacle() {
  if (PyUnstable_ThreadState_SetStackProtection != nullptr) return nullptr;
  return "CPython 3.14.0 cannot be told of the limits of a stack: use 3.14.1 or later";
}

}  // namespace switchback::interpreter
