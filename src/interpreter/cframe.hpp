// Part: the current C frame, by which 3.12 and 3.11 find the current Python frame.
#pragma once

#include <utility>

#include "interpreter/base_frame.hpp"
#include "interpreter/stack_part.hpp"

namespace switchback::interpreter {

// The interpreter has one for each run of its evaluation loop, in a linked list. Each stack begins
// with one of its own.
class CFrame {
 public:
  struct Resumer {
    _PyCFrame* cframe;
  };

  void prepare(const StackMemory&, const StackSettings& settings) {
    base_.prepare(settings.base_code);
    base_cframe_.current_frame = base_.get();
    cframe_ = &base_cframe_;
  }

  void enter(PyThreadState* thread_state, Resumer& resumer) {
    resumer.cframe = thread_state->cframe;
    base_.link(resumer.cframe->current_frame);
    base_cframe_.previous = resumer.cframe;
    thread_state->cframe = cframe_;
  }

  void leave(PyThreadState* thread_state, const Resumer& resumer) {
    cframe_ = thread_state->cframe;
    thread_state->cframe = resumer.cframe;
    base_.unlink();
    base_cframe_.previous = nullptr;
  }

  PyObject* innermost_frame(PyThreadState* thread_state) const {
    _PyCFrame* const running = std::exchange(thread_state->cframe, cframe_);
    PyFrameObject* const frame = PyThreadState_GetFrame(thread_state);
    thread_state->cframe = running;
    return reinterpret_cast<PyObject*>(frame);
  }

  _PyInterpreterFrame* suspended_frame() const { return cframe_->current_frame; }

  bool has_leftovers() const { return base_.has_object(); }
  void finish() { base_.release_object(); }

 protected:
  BaseFrame base_;

 private:
  _PyCFrame base_cframe_{};
  _PyCFrame* cframe_ = nullptr;
};

}  // namespace switchback::interpreter
