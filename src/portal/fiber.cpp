// Which backend runs and suspends a fiber.
#include "portal/fiber.hpp"

#include "portal/greenlet_fiber.hpp"
#include "portal/stack_fiber.hpp"
#include "portal/thread.hpp"

namespace switchback::portal {

Ref Fiber::keep() const {
  if (backend_ == Backend::native) return Ref();
  return Ref::borrow(static_cast<const GreenletFiber*>(this)->capsule());
}

bool Fiber::stranded() const { return thread_state_id_ == 0 || !thread_->alive(); }

bool Fiber::run(PyThreadState* state, Thread& thread) {
  assert(!PyErr_Occurred());
  if (backend_ == Backend::native)
    return static_cast<StackFiber*>(this)->run_on_stack(state, thread);
  return static_cast<GreenletFiber*>(this)->run_in_greenlet(state, thread);
}

PyObject* Fiber::suspend(PyObject* trap, PyObject* awaited, PyObject** exception) {
  if (backend_ == Backend::native) {
    return static_cast<StackFiber*>(this)->suspend_stack(trap, awaited, exception);
  }
  return static_cast<GreenletFiber*>(this)->suspend_greenlet(trap, awaited, exception);
}

}  // namespace switchback::portal
