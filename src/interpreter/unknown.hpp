// A CPython whose internals are not known here: portals run on greenlet, by public functions only.
#pragma once

#include <cstdint>

#include "interpreter/stack_settings.hpp"

namespace switchback::interpreter {

// Why there is no native backend here.
inline const char* native_obstacle() {
  return "this release of Switchback does not know the internals of CPython " PY_VERSION
         ": portals need the package greenlet here, and switchback.backend = 'auto' or 'greenlet'. "
         "Please report it, and look for a newer release";
}

// The contract of stack_state.hpp for the native backend, which never starts.
struct Resumer {};

class StackState {
 public:
  void prepare(const StackMemory&, const StackSettings&) {}
  bool has_private_context() const { return false; }
  void rebase_private_context(PyThreadState*) {}
  void enter(PyThreadState*, Resumer&) {}
  void leave(PyThreadState*, Resumer&) {}
  bool has_leftovers() const { return false; }
  void finish() {}
};

// Of the layout of a coroutine, in internals.hpp.
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

// As in internals.hpp; later minors have nothing to be kept from.
inline bool is_executing(PyObject*) { return false; }

// As in internals.hpp, where nothing is known of a state.
class EndingState {
 public:
  explicit EndingState(PyThreadState*) {}
};

// The greenlet that runs, a new reference; nullptr, without an exception, if that cannot be told.
inline PyObject* running_greenlet() {
  PyObject* module = PyImport_ImportModule("greenlet");
  PyObject* running =
      module == nullptr ? nullptr : PyObject_CallMethod(module, "getcurrent", nullptr);
  if (running == nullptr) PyErr_Clear();
  Py_XDECREF(module);
  return running;
}

// The context that is current, a new reference; nullptr, without an exception, if there is none.
inline PyObject* current_context(PyThreadState*) {
  PyObject* greenlet = running_greenlet();
  if (greenlet == nullptr) return nullptr;
  PyObject* context = PyObject_GetAttrString(greenlet, "gr_context");
  if (context == nullptr) PyErr_Clear();
  Py_DECREF(greenlet);
  return context;
}

// Creates the thread's context if it has none yet, so that every switch finds one.
inline bool ensure_context(PyThreadState*) {
  PyObject* copy = PyContext_CopyCurrent();
  Py_XDECREF(copy);
  return copy != nullptr;
}

// The context of a step, as in followed_context.hpp, by way of greenlet. A step that is resumed
// inside of a Context.run() of its own goes back to the context in which it has called that.
class FollowedContext {
 public:
  void arrive(PyThreadState*, PyObject* context) {
    if (is_private_) return;
    PyObject* raised = take_raised();
    PyObject* greenlet = running_greenlet();
    if (greenlet != nullptr) {
      if (PyObject_SetAttrString(greenlet, "gr_context", context) < 0) PyErr_Clear();
      Py_DECREF(greenlet);
    }
    if (raised != nullptr) set_raised(raised);
  }

  void depart(PyThreadState* thread, PyObject* context) {
    PyObject* current = current_context(thread);
    is_private_ = current != context;
    Py_XDECREF(current);
  }

 private:
  bool is_private_ = false;
};

}  // namespace switchback::interpreter
