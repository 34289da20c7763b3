// Part: the exceptions that are being handled, which sys.exc_info() tells.
#pragma once

#include <cassert>

#include "interpreter/stack_part.hpp"

namespace switchback::interpreter {

// They are a linked list with an item for each generator or coroutine that runs, and its end in the
// thread state. The list of a stack ends in an item of its own. That one is linked to the resumer's
// list while the stack runs, so that code resumed inside an `except` block sees that exception as
// its context; and is linked to nothing while the stack is suspended.
class HandledExceptions : public NothingToPrepare {
 public:
  struct Resumer {
    _PyErr_StackItem* exc_info;
  };

  void enter(PyThreadState* thread_state, Resumer& resumer) {
    resumer.exc_info = thread_state->exc_info;
    base_.previous_item = resumer.exc_info;
    thread_state->exc_info = exc_info_;
  }

  void leave(PyThreadState* thread_state, const Resumer& resumer) {
    exc_info_ = thread_state->exc_info;
    thread_state->exc_info = resumer.exc_info;
    base_.previous_item = nullptr;
  }

  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(base_.exc_value);
    return 0;
  }

  bool has_leftovers() const {
    assert(exc_info_ == &base_);
    return base_.exc_value != nullptr;
  }
  void finish() { Py_CLEAR(base_.exc_value); }

 private:
  _PyErr_StackItem base_{};
  _PyErr_StackItem* exc_info_ = &base_;
};

}  // namespace switchback::interpreter
