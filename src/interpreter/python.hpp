// Python.h, and which CPythons it may be of.
//
// PY_VERSION_HEX is looked at in src/interpreter/ and nowhere else.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifdef Py_GIL_DISABLED
#error "Switchback does not support free-threaded builds of CPython: use the build with a GIL"
#endif
#if PY_VERSION_HEX < 0x030B0000
#error "Switchback needs CPython 3.11 or later"
#endif
// Where the layouts are not known, or were not final yet, there are no stacks of our own: without
// these, nothing depends on the interpreter's internals. CPython 3.14.0 counts among these minors,
// as it cannot be told of the limits of a stack.
#if PY_VERSION_HEX >= 0x03100000 ||                                  \
    (PY_VERSION_HEX >= 0x030F0000 && PY_VERSION_HEX < 0x030F00C1) || \
    (PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x030E01F0)
#undef SWITCHBACK_UNKNOWN_MINOR
#define SWITCHBACK_UNKNOWN_MINOR 1
#endif

namespace switchback::interpreter {

// The thread state of the calling thread, which holds the GIL.
inline PyThreadState* current_thread_state() {
#ifdef SWITCHBACK_UNKNOWN_MINOR
  return PyThreadState_Get();
#elif PY_VERSION_HEX >= 0x030D0000
  return PyThreadState_GetUnchecked();
#else
  return _PyThreadState_UncheckedGet();
#endif
}

inline bool is_finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

}  // namespace switchback::interpreter
