// CPython 3.13: PyThreadState points at the current frame; Python and C recursion are counted
// apart.
#pragma once

#include "interpreter/base_frame.hpp"
#include "interpreter/common.hpp"

namespace switchback::interpreter {

struct Resumer : CommonResumer {
  _PyInterpreterFrame* current_frame;
  RecursionDepth::Resumer recursion;
  int c_recursion_remaining;
};

class StackState : public CommonState {
 public:
  void prepare(const StackMemory& memory, const StackSettings& settings) {
    CommonState::prepare(memory);
    base_frame_.f_executable = reinterpret_cast<PyObject*>(settings.base_code);
    base_frame_.owner = FRAME_OWNED_BY_THREAD;
    base_frame_.instr_ptr = _PyCode_CODE(settings.base_code) - 1;
    base_frame_.stacktop = 0;
    current_frame_ = &base_frame_;
    c_recursion_remaining_ = settings.c_recursion_limit;
  }

  void enter(PyThreadState* thread, Resumer& resumer) {
    CommonState::enter(thread, resumer);
    resumer.current_frame = thread->current_frame;
    base_frame_.previous = resumer.current_frame;
    thread->current_frame = current_frame_;

    recursion_.enter(thread->py_recursion_limit, thread->py_recursion_remaining, resumer.recursion);
    resumer.c_recursion_remaining = thread->c_recursion_remaining;
    thread->c_recursion_remaining = c_recursion_remaining_;
  }

  void leave(PyThreadState* thread, Resumer& resumer) {
    current_frame_ = thread->current_frame;
    thread->current_frame = resumer.current_frame;
    base_frame_.previous = nullptr;

    recursion_.leave(thread->py_recursion_limit, thread->py_recursion_remaining, resumer.recursion);
    c_recursion_remaining_ = thread->c_recursion_remaining;
    thread->c_recursion_remaining = resumer.c_recursion_remaining;
    CommonState::leave(thread, resumer);
  }

  bool has_leftovers() const { return common_leftovers() || base_frame_.frame_obj != nullptr; }

  void finish() {
    finish_common();
    release_frame_object(base_frame_, reinterpret_cast<PyCodeObject*>(base_frame_.f_executable));
  }

 private:
  _PyInterpreterFrame base_frame_{};
  _PyInterpreterFrame* current_frame_ = nullptr;
  RecursionDepth recursion_;
  int c_recursion_remaining_ = 0;
};

// Why there is no native backend here, or nullptr.
inline const char* native_obstacle() { return nullptr; }

}  // namespace switchback::interpreter
