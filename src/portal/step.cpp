// Taking a step of a portal: the checks, the fiber, the job, the outcome.
#include "portal/step.hpp"

#include <cassert>
#include <utility>

#include "fiber/thread.hpp"
#include "portal/awaitable.hpp"
#include "portal/backend.hpp"
#include "portal/cancellation.hpp"
#include "portal/debug.hpp"

namespace switchback::portal {

using fiber::Job;
using fiber::StackFiber;
using fiber::Thread;

namespace {

// The jobs hold their argument, as a step that is suspended outlives the call that brought it, and
// the target: greenlets of the program may end a portal that goes on to run.
PySendResult send_to_target(PyObject* portal, PyObject* argument, PyObject** result) {
  Ref target = Ref::borrow(as_portal(portal)->target);
  Ref value = Ref::borrow(argument);
  return PyIter_Send(target.get(), value.get(), result);
}

PySendResult throw_to_target(PyObject* portal, PyObject* argument, PyObject** result) {
  Ref target = Ref::borrow(as_portal(portal)->target);
  Ref exception = Ref::borrow(argument);
  return throw_into(*as_portal(portal)->module_state, target.get(), exception.get(), result);
}

// For an awaitable that is not a coroutine, and has a way of its own to be closed.
PySendResult close_target(PyObject* portal, PyObject* argument, PyObject** result) {
  Ref target = Ref::borrow(as_portal(portal)->target);
  Ref exit = Ref::borrow(argument);
  const bool closed = close_iterator(*as_portal(portal)->module_state, target.get());
  *result = closed ? Py_NewRef(Py_None) : nullptr;
  return closed ? PYGEN_RETURN : PYGEN_ERROR;
}

// `arguments` are the portal's own.
PySendResult call_target(PyObject* portal, PyObject* arguments, PyObject** result) {
  Portal* const self = as_portal(portal);
  Ref function = Ref::borrow(self->target);
  Ref args = Ref::steal(arguments);
  self->args = nullptr;
  Ref kwargs = Ref::steal(std::exchange(self->kwargs, nullptr));
  *result = PyObject_Call(function.get(), args.get(), kwargs.get());
  if (*result != nullptr) return PYGEN_RETURN;
  interpreter::replace_stop_iteration();
  return PYGEN_ERROR;
}

Job job_of(const Portal* self, Step::Kind kind) {
  if (self->calls_function) return call_target;
  switch (kind) {
    case Step::Kind::send:
      return send_to_target;
    case Step::Kind::throw_:
      return throw_to_target;
    case Step::Kind::close:
      break;
  }
  return close_target;
}

PySendResult fail(PyObject** result) {
  *result = nullptr;
  return PYGEN_ERROR;
}

// The first step of a portal around a function, where there is nothing to send or throw to yet.
// Returns false, with the outcome decided, unless the function is to be called.
bool check_first_call(Portal* self, Step step) {
  if (step.kind != Step::Kind::send) {
    finish(self);
    interpreter::set_raised(Py_NewRef(step.argument));
    return false;
  }
  if (step.argument != Py_None) {
    PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
    return false;
  }
  return true;
}

// Sets RuntimeError, in the words of the Python package, which can name the thread.
void refuse_thread(ModuleState& module_state, const Fiber& fiber) {
  // From here on the fiber may be gone: its thread may run.
  const unsigned long identifier = fiber.thread()->identifier();
  const bool ended = fiber.stranded();
  Ref message;
  if (module_state.explain_wrong_thread != nullptr) {
    message = Ref::steal(PyObject_CallFunction(module_state.explain_wrong_thread, "kO", identifier,
                                               ended ? Py_True : Py_False));
    if (!message) interpreter::clear_error_but_interrupts();
  }
  if (message) {
    PyErr_SetObject(PyExc_RuntimeError, message.get());
  } else {
    PyErr_Format(PyExc_RuntimeError, "this portal is suspended in await_() in another thread (%lu)",
                 identifier);
  }
}

// Has an exception that ends the program end this portal alone.
[[gnu::noinline]] PySendResult keep_exit(Portal* self, PyObject** result) {
  const bool is_exit = PyErr_ExceptionMatches(PyExc_SystemExit) != 0 ||
                       PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) != 0;
  if (!is_exit) return PYGEN_ERROR;
  Py_XSETREF(self->exit, interpreter::take_raised());
  *result = Py_NewRef(Py_None);
  return PYGEN_RETURN;
}

// For a step of a portal that await_() has suspended: its fiber, with the message for await_(). The
// portal counts as running from then on. nullptr with an exception set on failure.
Fiber* resume_fiber(Portal* self, Step step, const Thread& thread,
                    const PyThreadState* thread_state) {
  Fiber* const fiber = self->fiber;
  if (!fiber->belongs_to(&thread, thread_state)) {
    refuse_thread(*self->module_state, *fiber);
    return nullptr;
  }
  if (!fiber->is_native() && is_out_of_place(Backend::greenlet, thread)) {
    refuse_place();
    return nullptr;
  }
  assert(self->phase == Portal::Phase::idle);
  self->phase = Portal::Phase::running;
  self->fiber = nullptr;
  if (step.kind == Step::Kind::send) {
    fiber->set_message(Py_NewRef(step.argument), nullptr);
  } else {
    fiber->set_message(nullptr, Py_NewRef(step.argument));
  }
  return fiber;
}

// The same for any other portal: a fiber with the job of the step.
Fiber* begin_fiber(Portal* self, Step step, Thread& thread, const PyThreadState* thread_state) {
  if (self->phase == Portal::Phase::running) {
    PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    return nullptr;
  }
  if (self->phase == Portal::Phase::finished) {
    PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    return nullptr;
  }
  if (self->calls_function && !check_first_call(self, step)) return nullptr;
  // Making a greenlet can collect garbage, and importing its module lets other threads run.
  self->phase = Portal::Phase::running;
  Fiber* const fiber = take_fiber(self, thread, thread_state);
  if (fiber == nullptr) {
    self->phase = Portal::Phase::idle;
    return nullptr;
  }
  fiber->set_job(job_of(self, step.kind), self->object(),
                 self->calls_function ? self->args : step.argument);
  fiber->set_guarded(is_guarded(self));
  self->started = true;
  return fiber;
}

}  // namespace

PySendResult run_step(Portal* self, Step step, PyObject** result) {
  Thread* const found_thread = Thread::of_this_thread();
  if (found_thread == nullptr) return fail(result);
  Thread& thread = *found_thread;
  // A suspended portal keeps its backend, so this does not wait for the fiber itself.
  if (self->fiber != nullptr && self->backend == Backend::native && !thread.ran_last(self->fiber)) {
    static_cast<StackFiber*>(self->fiber)->prefetch();
  }
  // The caller's reference may go away during the step: a task drops its coroutine when it ends.
  Ref keep = Ref::borrow(self->object());
  PyThreadState* const thread_state = interpreter::current_thread_state();
  if (!thread.watch(thread_state)) return fail(result);
  // Portals that other threads have dropped, but which only this thread can unwind.
  if (thread.has_adopted()) thread.unwind_adopted();
  if (!interpreter::ensure_context(thread_state)) return fail(result);
  // From here on until the portal counts as running, nothing runs Python code, which might change
  // what is checked.
  Fiber* const fiber = self->fiber != nullptr ? resume_fiber(self, step, thread, thread_state)
                                              : begin_fiber(self, step, thread, thread_state);
  if (fiber == nullptr) return fail(result);

  tasks::CurrentTasks& current_tasks = self->module_state->current_tasks;
  current_tasks.note(self->noted, self->framework, thread_state);
  self->noted.in_any_greenlet = !fiber->is_native();
  if (!fiber->takes_short_way()) [[unlikely]]
    note_resumed(self);
  const bool ended = fiber->run(thread_state, thread);
  if (!ended) {
    self->phase = Portal::Phase::idle;
    self->fiber = fiber;
    if (!fiber->is_listed()) thread.list_unfinished(fiber, thread_state);
    *result = fiber->trap();
    if (!fiber->takes_short_way()) [[unlikely]] {
      note_suspended(self);
      if (self->module_state->debug != nullptr) look_at_suspension(self);
    }
    return PYGEN_NEXT;
  }
  if (fiber->is_listed()) Thread::unlist(fiber);
  PySendResult outcome = fiber->job_result(result);
  // To ask may run Python code, which finds this portal running still.
  const bool with_greenlets = !fiber->is_native() || current_tasks.greenlet_untaken();
  // A coroutine may refuse a step and live on: it was already executing, or not started and sent a
  // value.
  const bool goes_on =
      outcome == PYGEN_NEXT ||
      (outcome == PYGEN_ERROR && interpreter::is_unfinished_coroutine(self->target));
  self->phase = goes_on ? Portal::Phase::idle : Portal::Phase::finished;
  give_fiber(self, thread, thread_state, fiber, with_greenlets);
  if (outcome == PYGEN_ERROR && self->exit != nullptr && !goes_on) [[unlikely]]
    outcome = keep_exit(self, result);
  if (self->cancellation == nullptr) [[likely]]
    return outcome;
  if (goes_on) {
    // The coroutine awaits by `await`.
    if (outcome == PYGEN_NEXT) cancel_again(self);
    note_suspended(self);
    return outcome;
  }
  const bool is_closed = step.kind == Step::Kind::close ||
                         (step.kind == Step::Kind::throw_ &&
                          PyErr_GivenExceptionMatches(step.argument, PyExc_GeneratorExit) != 0);
  if (is_closed) {
    RaisedScope raised;
    Py_CLEAR(self->cancellation);
    return outcome;
  }
  return raise_lost(self, outcome, result);
}

}  // namespace switchback::portal
