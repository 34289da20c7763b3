// The same as followed_context.hpp on a minor that is not known: by way of greenlet.
#pragma once

#include "interpreter/exceptions.hpp"

namespace switchback::greenlet {

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

// A step that is resumed inside of a Context.run() of its own goes back to the context in which it
// has called that.
class FollowedContext {
 public:
  // Before the first arrive() of a job. The last one may have ended in a context other than its
  // resumer's, where a greenlet that it had started was the one to be resumed.
  void begin() { is_private_ = false; }

  void arrive(PyThreadState*, PyObject* context) {
    if (is_private_) return;
    PyObject* raised = interpreter::take_raised();
    PyObject* greenlet = running_greenlet();
    if (greenlet != nullptr) {
      if (PyObject_SetAttrString(greenlet, "gr_context", context) < 0) PyErr_Clear();
      Py_DECREF(greenlet);
    }
    if (raised != nullptr) interpreter::set_raised(raised);
  }

  void depart(PyThreadState* thread_state, PyObject* context) {
    PyObject* current = current_context(thread_state);
    is_private_ = current != context;
    Py_XDECREF(current);
  }

 private:
  bool is_private_ = false;
};

}  // namespace switchback::greenlet
