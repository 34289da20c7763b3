// Parts: how deep Python calls and C calls are nested, as far as the interpreter counts them.
#pragma once

#include "interpreter/stack_part.hpp"

#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030E0000
#define SWITCHBACK_COUNTS_C_RECURSION 1
#else
#define SWITCHBACK_COUNTS_C_RECURSION 0
#endif

namespace switchback::interpreter {

// Python calls are counted down from a limit that the program may change at any time. What a stack
// has used is kept as a depth, and counts on top of its resumer's depth while it runs.
class PythonRecursion : public NothingToPrepare, public NothingLeft {
 public:
  struct Resumer {
    int depth;
    int base;  // what the stack's own depth counts from
  };

  void enter(PyThreadState* thread_state, Resumer& resumer) const {
    const int found = remaining(thread_state);
    const int depth = limit(thread_state) - found;
    int base = depth, left = found - used_;
    if (left < 0) [[unlikely]] {
      // A deep stack that is resumed by deep code may exceed the limit. It gets RecursionError at
      // its next call, as long as the counter does not tell of more than CPython takes for
      // possible.
      base += left;
      left = 0;
    }
    resumer = {depth, base};
    remaining(thread_state) = left;
  }

  void leave(PyThreadState* thread_state, const Resumer& resumer) {
    const int now = limit(thread_state);
    used_ = now - remaining(thread_state) - resumer.base;
    remaining(thread_state) = now - resumer.depth;
  }

 private:
  friend class NestingLeft;
#if PY_VERSION_HEX >= 0x030C0000
  static int limit(const PyThreadState* thread_state) { return thread_state->py_recursion_limit; }
  static int& remaining(PyThreadState* thread_state) {
    return thread_state->py_recursion_remaining;
  }
#else
  static int limit(const PyThreadState* thread_state) { return thread_state->recursion_limit; }
  static int& remaining(PyThreadState* thread_state) { return thread_state->recursion_remaining; }
#endif

  int used_ = 0;
};

#if SWITCHBACK_COUNTS_C_RECURSION
// C calls are counted on their own in 3.12 and 3.13: as many as the size of a stack allows.
class CRecursion : public NothingLeft {
 public:
  struct Resumer {
    int remaining;
  };

  void prepare(const StackMemory&, const StackSettings& settings) {
    remaining_ = settings.c_recursion_limit;
  }

  void enter(PyThreadState* thread_state, Resumer& resumer) const {
    resumer.remaining = thread_state->c_recursion_remaining;
    thread_state->c_recursion_remaining = remaining_;
  }

  void leave(PyThreadState* thread_state, const Resumer& resumer) {
    remaining_ = thread_state->c_recursion_remaining;
    thread_state->c_recursion_remaining = resumer.remaining;
  }

 private:
  int remaining_ = 0;
};
#endif

// How much further calls may nest, for a job that begins on a stack that another library has made:
// that counts from where it was made, and not from where the job begins.
class NestingLeft {
 public:
  void save(PyThreadState* thread_state) {
    python_ = PythonRecursion::remaining(thread_state);
#if SWITCHBACK_COUNTS_C_RECURSION
    c_ = thread_state->c_recursion_remaining;
#endif
  }
  void load(PyThreadState* thread_state) const {
    PythonRecursion::remaining(thread_state) = python_;
#if SWITCHBACK_COUNTS_C_RECURSION
    thread_state->c_recursion_remaining = c_;
#endif
  }

 private:
  int python_ = 0;
#if SWITCHBACK_COUNTS_C_RECURSION
  int c_ = 0;
#endif
};

}  // namespace switchback::interpreter
