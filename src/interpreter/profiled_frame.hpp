// Part: the frame that a sampling profiler in another process has seen last, in 3.15.
#pragma once

#include "interpreter/stack_part.hpp"

namespace switchback::interpreter {

// The profiler takes what was below that frame for unchanged, so it is forgotten at each switch.
class ProfiledFrame : public NothingToPrepare, public NothingLeft {
 public:
  struct Resumer {};

  static void enter(PyThreadState* thread_state, Resumer&) { forget(thread_state); }
  static void leave(PyThreadState* thread_state, const Resumer&) { forget(thread_state); }

 private:
  static void forget(PyThreadState* thread_state) { thread_state->last_profiled_frame = nullptr; }
};

}  // namespace switchback::interpreter
