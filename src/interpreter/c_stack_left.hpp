// Whether enough of the C stack is left.
#pragma once

#include "interpreter/python.hpp"

namespace switchback::interpreter {

// Whether a call may be made whose code another library is to switch to and from, which takes more
// of the C stack than the interpreter knows of; otherwise a RecursionError is set.
#if PY_VERSION_HEX >= 0x030E0000
// Where little is left, the interpreter puts off deallocation, by a list that greenlet exchanges
// badly (seen in 3.5). So some is kept, more than that: looked for in steps that are smaller than
// what lies between the interpreter's two limits, as it takes any call from beyond the second for
// fatal.
[[gnu::noinline]] inline bool leaves_c_stack(const char* where, int steps = 8) {
  char step[8 * 1024];
  [[maybe_unused]] char* volatile used = step;
  if (Py_EnterRecursiveCall(where)) return false;
  const bool is_left = steps == 0 || leaves_c_stack(where, steps - 1);
  Py_LeaveRecursiveCall();
  used = nullptr;  // so that the step lies on the stack until here
  return is_left;
}
#else
inline bool leaves_c_stack(const char*) { return true; }
#endif

}  // namespace switchback::interpreter
