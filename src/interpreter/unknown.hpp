// A CPython whose internals are not known here: there are no stacks of our own, and what is asked
// of the interpreter otherwise is asked by public functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "interpreter/stack_part.hpp"

namespace switchback::interpreter {

// Why there is no native backend here.
inline const char* native_obstacle() {
  return "this release of Switchback does not know the internals of CPython " PY_VERSION
         ": portals need the package greenlet here, and switchback.settings.backend = 'auto' or "
         "'greenlet'. Please report it, and look for a newer release";
}

// The part that others name, of a stack that is never entered.
class ContextVariables : public NothingToPrepare, public NothingLeft {
 public:
  struct Resumer {};
  static bool is_private() { return false; }
  static void rebase(PyThreadState*) {}
  static void enter(PyThreadState*, Resumer&) {}
  static void leave(PyThreadState*, Resumer&) {}
};

using StackState = StackStateOf<ContextVariables>;

// As in recursion.hpp, where the counters are not known.
class NestingLeft {
 public:
  static void save(PyThreadState*) {}
  static void load(PyThreadState*) {}
};

// Creates the thread's context if it has none yet, so that every switch finds one.
inline bool ensure_context(PyThreadState*) {
  PyObject* copy = PyContext_CopyCurrent();
  Py_XDECREF(copy);
  return copy != nullptr;
}

// Of the layout of a coroutine, in coroutines.hpp.
inline constexpr std::size_t frame_state_offset = 0;
inline constexpr std::int8_t frame_cleared = 0;

// A truth value of `object.name`; false if there is none.
inline bool is_true_attribute(PyObject* object, const char* name) {
  PyObject* value = PyObject_GetAttrString(object, name);
  const int truth = value == nullptr ? -1 : PyObject_IsTrue(value);
  if (truth < 0) PyErr_Clear();
  Py_XDECREF(value);
  return truth > 0;
}

// Whether `object` is a native coroutine that has not ended. Other awaitables do not tell.
inline bool is_unfinished_coroutine(PyObject* object) {
  return PyCoro_CheckExact(object) && is_true_attribute(object, "cr_frame");
}

// Whether `object` is a native coroutine that has not run yet, the usual argument of await_().
inline bool is_unstarted_coroutine(PyObject* object) {
  return is_unfinished_coroutine(object) && !is_true_attribute(object, "cr_running") &&
         !is_true_attribute(object, "cr_suspended");
}

// As in coroutines.hpp; later minors have nothing to be kept from.
inline bool is_executing(PyObject*) { return false; }

}  // namespace switchback::interpreter
