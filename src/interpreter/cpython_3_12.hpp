// CPython 3.12: frames are linked through _PyCFrame; Python and C recursion are counted apart.
#pragma once

#include "interpreter/base_frame.hpp"
#include "interpreter/common.hpp"

namespace switchback::interpreter {

struct Resumer : CommonResumer {
  _PyCFrame* cframe;
  RecursionDepth::Resumer recursion;
  int c_recursion_remaining;
  int trash_delete_nesting;
};

class StackState : public CommonState {
 public:
  void prepare(const StackMemory& memory, const StackSettings& settings) {
    CommonState::prepare(memory);
    base_frame_.f_code = settings.base_code;
    base_frame_.owner = FRAME_OWNED_BY_THREAD;
    base_frame_.prev_instr = _PyCode_CODE(settings.base_code) - 1;
    base_frame_.stacktop = 0;
    base_cframe_.current_frame = &base_frame_;
    cframe_ = &base_cframe_;
    c_recursion_remaining_ = settings.c_recursion_limit;
  }

  void enter(PyThreadState* thread, Resumer& resumer) {
    CommonState::enter(thread, resumer);
    resumer.cframe = thread->cframe;
    base_frame_.previous = resumer.cframe->current_frame;
    base_cframe_.previous = resumer.cframe;
    thread->cframe = cframe_;

    recursion_.enter(thread->py_recursion_limit, thread->py_recursion_remaining, resumer.recursion);
    resumer.c_recursion_remaining = thread->c_recursion_remaining;
    thread->c_recursion_remaining = c_recursion_remaining_;
    resumer.trash_delete_nesting = thread->trash.delete_nesting;
    thread->trash.delete_nesting = trash_delete_nesting_;
  }

  void leave(PyThreadState* thread, Resumer& resumer) {
    cframe_ = thread->cframe;
    thread->cframe = resumer.cframe;
    base_frame_.previous = nullptr;
    base_cframe_.previous = nullptr;

    recursion_.leave(thread->py_recursion_limit, thread->py_recursion_remaining, resumer.recursion);
    c_recursion_remaining_ = thread->c_recursion_remaining;
    thread->c_recursion_remaining = resumer.c_recursion_remaining;
    trash_delete_nesting_ = thread->trash.delete_nesting;
    thread->trash.delete_nesting = resumer.trash_delete_nesting;
    CommonState::leave(thread, resumer);
  }

  bool has_leftovers() const { return common_leftovers() || base_frame_.frame_obj != nullptr; }

  void finish() {
    finish_common();
    release_frame_object(base_frame_, base_frame_.f_code);
  }

 private:
  _PyInterpreterFrame base_frame_{};
  _PyCFrame base_cframe_{};
  _PyCFrame* cframe_ = nullptr;
  RecursionDepth recursion_;
  int c_recursion_remaining_ = 0;
  int trash_delete_nesting_ = 0;
};

// Why there is no native backend here, or nullptr.
inline const char* native_obstacle() { return nullptr; }

}  // namespace switchback::interpreter
