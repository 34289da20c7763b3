// Which kind of fiber runs and suspends, and what a fiber knows of its thread.
#include "fiber/fiber.hpp"

#include "fiber/delegated_fiber.hpp"
#include "fiber/stack_fiber.hpp"
#include "fiber/thread.hpp"

namespace switchback::fiber {

bool Fiber::stranded() const { return thread_state_id_ == 0 || !thread_->alive(); }

bool Fiber::run(PyThreadState* thread_state, Thread& thread) {
  assert(!PyErr_Occurred());
  if (is_native_) return static_cast<StackFiber*>(this)->run_on_stack(thread_state, thread);
  return static_cast<DelegatedFiber*>(this)->run_delegated(thread_state, thread);
}

PyObject* Fiber::suspend(PyObject* trap, PyObject* awaited, PyObject** exception) {
  if (is_native_) {
    auto* const self = static_cast<StackFiber*>(this);
    if (self->is_on_errand()) return self->suspend_on_errand(trap, awaited, exception);
    return self->suspend_stack(trap, awaited, exception);
  }
  return static_cast<DelegatedFiber*>(this)->suspend_delegated(trap, awaited, exception);
}

PyObject* Fiber::innermost_frame(PyThreadState* thread_state) const {
  if (is_native_) return static_cast<const StackFiber*>(this)->frame_on_stack(thread_state);
  return static_cast<const DelegatedFiber*>(this)->delegated_frame();
}

}  // namespace switchback::fiber
