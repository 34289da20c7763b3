// Closing portals: by hand, as they are dropped, as their thread ends.
#include "portal/close.hpp"

#include "fiber/thread.hpp"
#include "portal/backend.hpp"
#include "portal/step.hpp"

namespace switchback::portal {

using fiber::Thread;

namespace {

// What stands for the coroutine's own answer to GeneratorExit, after the step that threw it.
PyObject* closed(PySendResult outcome, PyObject* result) {
  switch (outcome) {
    case PYGEN_RETURN:
      if (interpreter::close_returns_value) return result;
      Py_DECREF(result);
      Py_RETURN_NONE;
    case PYGEN_NEXT:
      Py_DECREF(result);
      PyErr_SetString(PyExc_RuntimeError, "coroutine ignored GeneratorExit");
      return nullptr;
    case PYGEN_ERROR:
      break;
  }
  if (PyErr_ExceptionMatches(PyExc_GeneratorExit) || PyErr_ExceptionMatches(PyExc_StopIteration)) {
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  return nullptr;
}

}  // namespace

PyObject* close_portal(Portal* self) {
  if (self->phase == Portal::Phase::finished) Py_RETURN_NONE;
  if (never_ran(self)) {
    // Closing a coroutine that never ran runs nothing, so no fiber is needed.
    finish(self);
    if (self->calls_function) Py_RETURN_NONE;
    return PyObject_CallMethodNoArgs(self->target, self->module_state->name_close);
  }
  // Others may have finished the coroutine: a garbage collection finalizes it before its portal.
  if (self->fiber == nullptr && PyCoro_CheckExact(self->target) &&
      !interpreter::is_unfinished_coroutine(self->target)) {
    self->phase = Portal::Phase::finished;
    Py_RETURN_NONE;
  }
  // Without memory for it, the MemoryError has to do: what is in `finally` must run.
  Ref exit = Ref::steal(PyObject_CallNoArgs(PyExc_GeneratorExit));
  if (!exit) exit = Ref::steal(interpreter::take_raised());
  const bool exits_by_exception =
      self->fiber != nullptr || PyCoro_CheckExact(self->target) || PyGen_CheckExact(self->target);
  const Step step = {exit.get(), exits_by_exception ? Step::Kind::throw_ : Step::Kind::close};
  PyObject* result;
  const PySendResult outcome = take_step(self, step, &result);
  return closed(outcome, result);
}

void finalize_portal(PyObject* object) {
  Portal* const self = as_portal(object);
  if (self->phase != Portal::Phase::idle || !self->started) return;
  Fiber* const fiber = self->fiber;
  // A coroutine that others hold as well is theirs to finish.
  if (fiber == nullptr && Py_REFCNT(self->target) > 1) return;
  RaisedScope raised;
  Thread* const thread = Thread::of_this_thread();
  if (thread == nullptr) PyErr_Clear();
  if (fiber != nullptr && !fiber->belongs_to(thread, interpreter::current_thread_state())) {
    // Only its own thread can unwind it; without one it stays as it is, for good.
    if (!fiber->stranded()) fiber->thread()->adopt(object);
    return;
  }
  if (interpreter::is_finalizing()) return;
  if (thread != nullptr && is_out_of_place(self->backend, *thread)) {
    thread->adopt(object);
    return;
  }
  // A coroutine may await in `finally`, which is an error each time, but not for ever.
  constexpr int most_attempts = 8;
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    Ref closed = Ref::steal(close_portal(self));
    if (!closed) PyErr_WriteUnraisable(self->target);
    if (self->fiber == nullptr) return;
  }
  if (!self->fiber->is_native()) return;
  auto* const native = static_cast<fiber::StackFiber*>(self->fiber);
  if (native->can_be_visited()) native->mark_running(self->target);
}

void close_suspended_portals() {
  Thread* const thread = Thread::of_this_thread();
  if (thread == nullptr) {
    PyErr_Clear();
    return;
  }
  thread->unwind_suspended(interpreter::current_thread_state());
}

}  // namespace switchback::portal
