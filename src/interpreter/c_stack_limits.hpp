// Part: where the C stack ends, which 3.14 and later compare the stack pointer with.
#pragma once

#include <cassert>
#include <cstddef>
#include <utility>

#include "interpreter/stack_part.hpp"

// Not in CPython 3.14.0, which may load an extension that was built for a later 3.14; but not on
// Windows, which knows no weak imports.
#pragma weak PyUnstable_ThreadState_SetStackProtection
#pragma weak PyUnstable_ThreadState_ResetStackProtection

namespace switchback::interpreter {

// Recursion in C stops in a RecursionError some way above the end. The thread state has to be told
// at every switch: below the limits that it knows, the interpreter takes the stack for exhausted
// and puts off all deallocation.
class CStackLimits : public NothingLeft {
 public:
  struct Resumer {
    const CStackLimits* limits;
  };

  void prepare(const StackMemory& memory, const StackSettings&) {
    low_ = memory.c_stack_low;
    size_ = memory.c_stack_size;
  }

  void enter(PyThreadState* thread_state, Resumer& resumer) const {
    resumer.limits = std::exchange(running_, this);
    set(thread_state);
  }

  static void leave(PyThreadState* thread_state, const Resumer& resumer) {
    running_ = resumer.limits;
    // Another library that switches stacks may have gone back to the thread's own meanwhile.
    if (running_ != nullptr && running_->contains(&resumer)) {
      running_->set(thread_state);
    } else {
      PyUnstable_ThreadState_ResetStackProtection(thread_state);
    }
  }

 private:
  bool contains(const void* address) const { return address >= low_ && address < low_ + size_; }
  void set(PyThreadState* thread_state) const {
    // Fails for a stack of some kilobytes only.
    [[maybe_unused]] const int result =
        PyUnstable_ThreadState_SetStackProtection(thread_state, low_, size_);
    assert(result == 0);
  }

  // Those of the innermost stack that was entered in this thread.
  static inline thread_local const CStackLimits* running_ = nullptr;

  std::byte* low_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace switchback::interpreter
