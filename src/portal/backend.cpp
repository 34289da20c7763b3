// Choosing the backend of a portal, and handing out its fibers.
#include "portal/backend.hpp"

#include <utility>

#include "greenlet/greenlet_fiber.hpp"
#include "interpreter/stack_state.hpp"

namespace switchback::portal {

using fiber::DelegatedFiber;
using fiber::StackFiber;
using fiber::Thread;

namespace {

// The backend for a portal whose first step begins.
Backend choose_backend(ModuleState& module_state, const Thread& thread) {
  if (interpreter::native_obstacle() != nullptr) return Backend::greenlet;
  switch (module_state.backend) {
    case BackendSetting::native:
      return Backend::native;
    case BackendSetting::greenlet:
      break;
    case BackendSetting::automatic:
      if (!module_state.current_tasks.greenlet_untaken()) return Backend::native;
      break;
  }
  // greenlet must not be made to copy a stack of ours, which may be suspended meanwhile.
  return is_out_of_place(Backend::greenlet, thread) ? Backend::native : Backend::greenlet;
}

// Whether a portal that began before greenlet was imported can do as if it began now. It cannot
// once it keeps a stack, on which greenlets may have been started.
bool can_change_backend(const Portal* self) {
  return self->backend == Backend::native && self->kept == nullptr &&
         self->module_state->backend == BackendSetting::automatic &&
         self->module_state->current_tasks.greenlet_untaken();
}

bool runs_on(const Fiber& fiber, Backend backend) {
  return fiber.is_native() == (backend == Backend::native);
}

// Where a greenlet may have its place on the fiber's stack: whether a stack of ours must never be
// used again. The greenlet may come back there at any time, were it only to be collected.
bool is_retired(const ModuleState& module_state, const Fiber& fiber) {
  return fiber.is_native() && module_state.backend == BackendSetting::automatic;
}

}  // namespace

void refuse_place() {
  PyErr_SetString(PyExc_RuntimeError,
                  "a portal on the greenlet backend cannot take a step inside a step of a portal "
                  "that began on the native one: import greenlet, or set "
                  "switchback.settings.backend to 'native' or 'greenlet', before the first portal "
                  "begins");
}

Fiber* take_fiber(Portal* self, Thread& thread, const PyThreadState* thread_state) {
  ModuleState& module_state = *self->module_state;
  if (!self->started && !self->looks_late) module_state.current_tasks.look_again();
  if (!self->started || can_change_backend(self)) {
    self->backend = choose_backend(module_state, thread);
  }
  if (is_out_of_place(self->backend, thread)) {
    refuse_place();
    return nullptr;
  }
  if (self->kept != nullptr) {
    const bool usable =
        runs_on(*self->kept, self->backend) && self->kept->belongs_to(&thread, thread_state) &&
        (self->kept->is_native() || !static_cast<DelegatedFiber*>(self->kept)->is_dead());
    if (usable) return std::exchange(self->kept, nullptr);
    release_kept(self);
  }
  if (self->backend == Backend::native) return thread.take_idle_stack(module_state.stack_settings);
  if (module_state.greenlet.load()) {
    return greenlet::GreenletFiber::take(thread, module_state.greenlet);
  }
  const char* obstacle = interpreter::native_obstacle();
  if (obstacle != nullptr && PyErr_ExceptionMatches(PyExc_ImportError)) {
    PyErr_SetString(PyExc_RuntimeError, obstacle);
  }
  return nullptr;
}

void give_fiber(Portal* self, Thread& thread, const PyThreadState* thread_state, Fiber* fiber,
                bool with_greenlets) {
  if (with_greenlets && self->phase != Portal::Phase::finished) {
    fiber->set_thread(&thread, thread_state);
    self->kept = fiber;
  } else if (!with_greenlets || !is_retired(*self->module_state, *fiber)) {
    thread.give_idle(fiber);
  }
}

void release_kept(Portal* self) {
  Fiber* fiber = std::exchange(self->kept, nullptr);
  if (fiber == nullptr || is_retired(*self->module_state, *fiber)) return;
  Thread* thread = Thread::of_this_thread();
  if (thread == nullptr) PyErr_Clear();
  if (thread != nullptr && fiber->belongs_to(thread, interpreter::current_thread_state())) {
    thread->give_idle(fiber);
  } else if (fiber->is_native()) {
    StackFiber::destroy(static_cast<StackFiber*>(fiber));
  } else {
    static_cast<DelegatedFiber*>(fiber)->destroy();
  }
}

}  // namespace switchback::portal
