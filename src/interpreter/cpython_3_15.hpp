// CPython 3.15: a sampling profiler in another process may remember frames.
#pragma once

#include "interpreter/measured_stack.hpp"

namespace switchback::interpreter {

using Resumer = MeasuredResumer;

class StackState : public MeasuredState {
 public:
  void enter(PyThreadState* thread, Resumer& resumer) {
    MeasuredState::enter(thread, resumer);
    forget_profiled_frame(thread);
  }

  void leave(PyThreadState* thread, Resumer& resumer) {
    MeasuredState::leave(thread, resumer);
    forget_profiled_frame(thread);
  }

 private:
  // The profiler takes what was below that frame for unchanged.
  static void forget_profiled_frame(PyThreadState* thread) {
    thread->last_profiled_frame = nullptr;
  }
};

inline const char* native_obstacle() { return nullptr; }

}  // namespace switchback::interpreter
