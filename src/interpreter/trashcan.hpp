// Part: how deep deallocations are nested, in 3.11 and 3.12.
#pragma once

#include "interpreter/stack_part.hpp"

namespace switchback::interpreter {

// Past some depth the interpreter puts further ones off, until it is back at the outermost
// (Py_TRASHCAN_BEGIN). A finalizer that waits in the middle of some must not have those of other
// stacks put off. The list of what was put off is shared.
class TrashcanDepth : public NothingToPrepare, public NothingLeft {
 public:
  struct Resumer {
    int nesting;
  };

  void enter(PyThreadState* thread_state, Resumer& resumer) const {
    resumer.nesting = nesting_of(thread_state);
    nesting_of(thread_state) = nesting_;
  }

  void leave(PyThreadState* thread_state, const Resumer& resumer) {
    nesting_ = nesting_of(thread_state);
    nesting_of(thread_state) = resumer.nesting;
  }

 private:
  static int& nesting_of(PyThreadState* thread_state) {
#if PY_VERSION_HEX >= 0x030C0000
    return thread_state->trash.delete_nesting;
#else
    return thread_state->trash_delete_nesting;
#endif
  }

  int nesting_ = 0;
};

}  // namespace switchback::interpreter
