// A thread state that is being cleared, while Python code runs in it once more.
#pragma once

#include "interpreter/python.hpp"

namespace switchback::interpreter {

#ifdef SWITCHBACK_UNKNOWN_MINOR
// Nothing is known of a state here.
class EndingThreadState {
 public:
  explicit EndingThreadState(PyThreadState*) {}
};
#else
// A scope. C code that is called in it may ask for the GIL, and must not take the state for unused
// when it is done (PyGILState_Release()). What the code leaves in the state has to be dropped after
// it, as the interpreter has been there.
class EndingThreadState {
 public:
  explicit EndingThreadState(PyThreadState* thread_state) : thread_state_(thread_state) {
    ++thread_state_->gilstate_counter;
  }
  EndingThreadState(const EndingThreadState&) = delete;
  EndingThreadState& operator=(const EndingThreadState&) = delete;
  ~EndingThreadState() {
#if PY_VERSION_HEX >= 0x030D0000
    Py_CLEAR(thread_state_->threading_local_key);
    Py_CLEAR(thread_state_->threading_local_sentinel);
#endif
    Py_CLEAR(thread_state_->dict);
    --thread_state_->gilstate_counter;
  }

 private:
  PyThreadState* thread_state_;
};
#endif

}  // namespace switchback::interpreter
