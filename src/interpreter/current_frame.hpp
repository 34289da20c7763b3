// Part: the current Python frame, which the thread state points at from 3.13 on.
#pragma once

#include <utility>

#include "interpreter/base_frame.hpp"
#include "interpreter/stack_part.hpp"

namespace switchback::interpreter {

class CurrentFrame {
 public:
  struct Resumer {
    _PyInterpreterFrame* frame;
  };

  void prepare(const StackMemory&, const StackSettings& settings) {
    base_.prepare(settings.base_code);
    frame_ = base_.get();
  }

  void enter(PyThreadState* thread_state, Resumer& resumer) {
    resumer.frame = thread_state->current_frame;
    base_.link(resumer.frame);
    thread_state->current_frame = frame_;
  }

  void leave(PyThreadState* thread_state, const Resumer& resumer) {
    frame_ = thread_state->current_frame;
    thread_state->current_frame = resumer.frame;
    base_.unlink();
  }

  PyObject* innermost_frame(PyThreadState* thread_state) const {
    _PyInterpreterFrame* const running = std::exchange(thread_state->current_frame, frame_);
    PyFrameObject* const frame = PyThreadState_GetFrame(thread_state);
    thread_state->current_frame = running;
    return reinterpret_cast<PyObject*>(frame);
  }

  _PyInterpreterFrame* suspended_frame() const { return frame_; }

  bool has_leftovers() const { return base_.has_object(); }
  void finish() { base_.release_object(); }

 private:
  BaseFrame base_;
  _PyInterpreterFrame* frame_ = nullptr;
};

}  // namespace switchback::interpreter
