// The context of a step that runs in a greenlet: its resumer's, but for a Context.run() of its own.
#pragma once

#ifdef SWITCHBACK_UNKNOWN_MINOR
#include "interpreter/unknown.hpp"
#else
#include "interpreter/internals.hpp"

namespace switchback::interpreter {

// greenlet exchanges the thread state's context itself, and keeps a reference for each greenlet.
// arrive() and depart() are called on the step's side of a switch.
class FollowedContext {
 public:
  // Just after the switch to the step, resumed in `context` (borrowed). May run Python code.
  void arrive(PyThreadState* thread, PyObject* context) {
    if (is_private_) {
      rebase_context(thread->context, followed_, context);
      return;
    }
    followed_ = context;
    PyObject* previous = std::exchange(thread->context, Py_NewRef(context));
    thread->context_ver++;
    Py_XDECREF(previous);
  }

  // Just before the switch back.
  void depart(PyThreadState* thread, PyObject* context) {
    is_private_ = thread->context != context;
  }

 private:
  PyObject* followed_ = nullptr;  // borrowed
  bool is_private_ = false;
};

}  // namespace switchback::interpreter

#endif
