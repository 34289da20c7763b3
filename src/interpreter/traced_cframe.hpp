// Part: the current C frame of 3.11, which also says whether calls are traced.
#pragma once

#include "interpreter/cframe.hpp"

namespace switchback::interpreter {

class TracedCFrame : public CFrame {
 public:
  void enter(PyThreadState* thread_state, Resumer& resumer) {
    // The frame below is found before the stack's own is current: the builtins are asked for there.
    _PyInterpreterFrame* below = thread_state->cframe->current_frame;
    if (below == nullptr) below = outermost_frame(base_.code());
    // Whether to trace is a property of the thread that happens to be kept per C frame.
    const auto use_tracing = thread_state->cframe->use_tracing;
    CFrame::enter(thread_state, resumer);
    thread_state->cframe->use_tracing = use_tracing;
    base_.link(below);

    _PyInterpreterFrame* const frame = base_.get();
    // C code that runs directly on the stack finds the current globals and builtins in the current
    // frame, and this minor does not skip an incomplete one (_PyEval_GetBuiltins()).
    frame->f_globals = below->f_globals;
    frame->f_builtins = below->f_builtins;
  }

  void leave(PyThreadState* thread_state, const Resumer& resumer) {
    resumer.cframe->use_tracing = thread_state->cframe->use_tracing;
    CFrame::leave(thread_state, resumer);
  }

  bool has_leftovers() const { return CFrame::has_leftovers() || base_locals() != nullptr; }
  void finish() {
    Py_CLEAR(base_.get()->f_locals);
    CFrame::finish();
  }

 private:
  // What stands below a portal that is resumed where no Python frame is, as when a thread ends: a
  // complete frame. Where a returning frame finds none below, this minor leaves its link to the
  // frame beneath as it is (take_ownership() in Python/frame.c), and that would outlive the stack.
  // Never freed.
  static _PyInterpreterFrame* outermost_frame(PyCodeObject* code) {
    static _PyInterpreterFrame frame = [&] {
      _PyInterpreterFrame outermost{};
      outermost.f_code = code;
      outermost.f_globals = outermost.f_builtins = PyEval_GetBuiltins();
      outermost.owner = FRAME_OWNED_BY_THREAD;
      outermost.prev_instr = _PyCode_CODE(code) + code->_co_firsttraceable;
      return outermost;
    }();
    return &frame;
  }

  PyObject* base_locals() const { return base_.get()->f_locals; }
};

}  // namespace switchback::interpreter
