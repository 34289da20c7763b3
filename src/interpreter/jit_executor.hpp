// Part: the machine code of the JIT that runs on the stack, from 3.14 on.
#pragma once

#include "interpreter/stack_part.hpp"

namespace switchback::interpreter {

class JitExecutor : public NothingToPrepare, public NothingLeft {
 public:
  struct Resumer {
    PyObject* executor;
  };

  void enter(PyThreadState* thread_state, Resumer& resumer) const {
    resumer.executor = thread_state->current_executor;
    thread_state->current_executor = executor_;
  }

  void leave(PyThreadState* thread_state, const Resumer& resumer) {
    executor_ = thread_state->current_executor;
    thread_state->current_executor = resumer.executor;
  }

 private:
  PyObject* executor_ = nullptr;  // borrowed
};

}  // namespace switchback::interpreter
