// CPython 3.11: frames are linked through _PyCFrame, and one counter bounds all recursion.
#pragma once

#include "interpreter/base_frame.hpp"
#include "interpreter/common.hpp"

namespace switchback::interpreter {

// What stands below a portal that is resumed where no Python frame is, as when a thread ends: a
// complete frame. Where a returning frame finds none below, this minor leaves its link to the frame
// beneath as it is (take_ownership() in Python/frame.c), and that would outlive the stack. Never
// freed.
inline _PyInterpreterFrame* outermost_frame(PyCodeObject* code) {
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

struct Resumer : CommonResumer {
  _PyCFrame* cframe;
  RecursionDepth::Resumer recursion;
  int trash_delete_nesting;
};

class StackState : public CommonState {
 public:
  void prepare(const StackMemory& memory, const StackSettings& settings) {
    CommonState::prepare(memory);
    base_frame_.f_code = settings.base_code;
    base_frame_.f_func = nullptr;
    base_frame_.owner = FRAME_OWNED_BY_THREAD;
    base_frame_.prev_instr = _PyCode_CODE(settings.base_code) - 1;
    base_frame_.stacktop = 0;
    base_frame_.f_builtins = PyEval_GetBuiltins();
    base_cframe_.current_frame = &base_frame_;
    cframe_ = &base_cframe_;
  }

  void enter(PyThreadState* thread, Resumer& resumer) {
    CommonState::enter(thread, resumer);
    resumer.cframe = thread->cframe;
    _PyInterpreterFrame* below = resumer.cframe->current_frame;
    if (below == nullptr) below = outermost_frame(base_frame_.f_code);
    base_frame_.previous = below;
    // C code that runs directly on the stack finds the current globals and builtins in the current
    // frame, and this minor does not skip an incomplete one (_PyEval_GetBuiltins()).
    base_frame_.f_globals = below->f_globals;
    base_frame_.f_builtins = below->f_builtins;
    base_cframe_.previous = resumer.cframe;
    // Whether to trace is a property of the thread that happens to be kept per C frame.
    cframe_->use_tracing = resumer.cframe->use_tracing;
    thread->cframe = cframe_;

    recursion_.enter(thread->recursion_limit, thread->recursion_remaining, resumer.recursion);
    resumer.trash_delete_nesting = thread->trash_delete_nesting;
    thread->trash_delete_nesting = trash_delete_nesting_;
  }

  void leave(PyThreadState* thread, Resumer& resumer) {
    cframe_ = thread->cframe;
    resumer.cframe->use_tracing = cframe_->use_tracing;
    thread->cframe = resumer.cframe;
    base_frame_.previous = nullptr;
    base_cframe_.previous = nullptr;

    recursion_.leave(thread->recursion_limit, thread->recursion_remaining, resumer.recursion);
    trash_delete_nesting_ = thread->trash_delete_nesting;
    thread->trash_delete_nesting = resumer.trash_delete_nesting;
    CommonState::leave(thread, resumer);
  }

  bool has_leftovers() const {
    return common_leftovers() || base_frame_.frame_obj != nullptr ||
           base_frame_.f_locals != nullptr;
  }

  void finish() {
    finish_common();
    Py_CLEAR(base_frame_.f_locals);
    release_frame_object(base_frame_, base_frame_.f_code);
  }

 private:
  _PyInterpreterFrame base_frame_{};
  _PyCFrame base_cframe_{};
  _PyCFrame* cframe_ = nullptr;
  RecursionDepth recursion_;
  int trash_delete_nesting_ = 0;
};

// Why there is no native backend here, or nullptr.
inline const char* native_obstacle() { return nullptr; }

}  // namespace switchback::interpreter
