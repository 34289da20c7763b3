// The context of a step that runs in a greenlet: its resumer's, but for a Context.run() of its own.
#pragma once

#ifdef SWITCHBACK_UNKNOWN_MINOR
#include "greenlet/followed_context_unknown.hpp"
#else
#include <utility>

#include "interpreter/context_variables.hpp"

namespace switchback::greenlet {

using interpreter::current_context;

// greenlet exchanges the thread state's context itself, and keeps a reference for each greenlet.
// arrive() and depart() are called on the step's side of a switch.
class FollowedContext {
 public:
  // Before the first arrive() of a job. The last one may have ended in a context other than its
  // resumer's, where a greenlet that it had started was the one to be resumed.
  void begin() { is_private_ = false; }

  // Just after the switch to the step, resumed in `context` (borrowed). May run Python code.
  void arrive(PyThreadState* thread_state, PyObject* context) {
    if (is_private_) {
      interpreter::rebase_context(thread_state->context, followed_, context);
      return;
    }
    followed_ = context;
    PyObject* previous = std::exchange(thread_state->context, Py_NewRef(context));
    thread_state->context_ver++;
    Py_XDECREF(previous);
  }

  // Just before the switch back.
  void depart(PyThreadState* thread_state, PyObject* context) {
    is_private_ = thread_state->context != context;
  }

 private:
  PyObject* followed_ = nullptr;  // borrowed
  bool is_private_ = false;
};

}  // namespace switchback::greenlet

#endif
