// What CPython 3.14 and later have in common: they measure the C stack.
#pragma once

#include "interpreter/base_frame.hpp"
#include "interpreter/common.hpp"

// Not in CPython 3.14.0, which may load an extension that was built for a later 3.14; but not on
// Windows, which knows no weak imports.
#pragma weak PyUnstable_ThreadState_SetStackProtection
#pragma weak PyUnstable_ThreadState_ResetStackProtection

namespace switchback::interpreter {

// Where the C stack ends. Recursion in C stops in a RecursionError some way above that. The thread
// state has to be told at every switch: below the limits that it knows, the interpreter takes the
// stack for exhausted and puts off all deallocation.
class StackLimits {
 public:
  // On the resumer's own stack.
  struct Resumer {
    const StackLimits* limits;
  };

  void prepare(const StackMemory& memory) {
    low_ = memory.c_stack_low;
    size_ = memory.c_stack_size;
  }

  void enter(PyThreadState* thread, Resumer& resumer) const {
    resumer.limits = std::exchange(running_, this);
    set(thread);
  }

  static void leave(PyThreadState* thread, const Resumer& resumer) {
    running_ = resumer.limits;
    // A greenlet of the program may have gone back to the thread's own stack meanwhile.
    if (running_ != nullptr && running_->contains(&resumer)) {
      running_->set(thread);
    } else {
      PyUnstable_ThreadState_ResetStackProtection(thread);
    }
  }

 private:
  bool contains(const void* address) const { return address >= low_ && address < low_ + size_; }
  void set(PyThreadState* thread) const {
    // Fails for a stack of some kilobytes only.
    [[maybe_unused]] const int result =
        PyUnstable_ThreadState_SetStackProtection(thread, low_, size_);
    assert(result == 0);
  }

  // Those of the innermost stack that was entered in this thread.
  static inline thread_local const StackLimits* running_ = nullptr;

  std::byte* low_ = nullptr;
  std::size_t size_ = 0;
};

struct MeasuredResumer : CommonResumer {
  _PyInterpreterFrame* current_frame;
  PyObject* current_executor;
  RecursionDepth::Resumer recursion;
  StackLimits::Resumer limits;
};

class MeasuredState : public CommonState {
 public:
  void prepare(const StackMemory& memory, const StackSettings& settings) {
    CommonState::prepare(memory);
    limits_.prepare(memory);
    // By its owner it is incomplete, whatever else it says; sys._getframe() shows it nevertheless.
    base_frame_.owner = FRAME_OWNED_BY_INTERPRETER;
    base_frame_.f_executable =
        PyStackRef_FromPyObjectSteal(reinterpret_cast<PyObject*>(settings.base_code));
    base_frame_.f_funcobj = PyStackRef_NULL;
    base_frame_.instr_ptr = reinterpret_cast<_Py_CODEUNIT*>(settings.base_code->co_code_adaptive);
    base_frame_.stackpointer = base_frame_.localsplus;
    current_frame_ = &base_frame_;
  }

  void enter(PyThreadState* thread, MeasuredResumer& resumer) {
    CommonState::enter(thread, resumer);
    resumer.current_frame = thread->current_frame;
    base_frame_.previous = resumer.current_frame;
    thread->current_frame = current_frame_;
    resumer.current_executor = thread->current_executor;
    thread->current_executor = current_executor_;

    recursion_.enter(thread->py_recursion_limit, thread->py_recursion_remaining, resumer.recursion);
    limits_.enter(thread, resumer.limits);
  }

  void leave(PyThreadState* thread, MeasuredResumer& resumer) {
    StackLimits::leave(thread, resumer.limits);
    recursion_.leave(thread->py_recursion_limit, thread->py_recursion_remaining, resumer.recursion);

    current_executor_ = thread->current_executor;
    thread->current_executor = resumer.current_executor;
    current_frame_ = thread->current_frame;
    thread->current_frame = resumer.current_frame;
    base_frame_.previous = nullptr;
    CommonState::leave(thread, resumer);
  }

  bool has_leftovers() const { return common_leftovers() || base_frame_.frame_obj != nullptr; }

  void finish() {
    finish_common();
    PyObject* code = PyStackRef_AsPyObjectBorrow(base_frame_.f_executable);
    release_frame_object(base_frame_, reinterpret_cast<PyCodeObject*>(code));
  }

 private:
  _PyInterpreterFrame base_frame_{};
  _PyInterpreterFrame* current_frame_ = nullptr;
  // The machine code of the JIT that runs on the stack; borrowed.
  PyObject* current_executor_ = nullptr;
  RecursionDepth recursion_;
  StackLimits limits_;
};

}  // namespace switchback::interpreter
