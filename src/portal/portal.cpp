// Stepping, closing and dropping portals; the Python type around that is in portal_type.cpp.
#include "portal/portal.hpp"

#include "portal/awaitable.hpp"
#include "portal/step.hpp"
#include "portal/thread.hpp"

namespace switchback::portal {
namespace {

// The jobs hold their argument, as a step that is suspended outlives the call that brought it, and
// the target: greenlets of the program may end a portal that goes on to run.
PySendResult send_to_target(Portal* self, PyObject* argument, PyObject** result) {
  Ref target = Ref::borrow(self->target);
  Ref value = Ref::borrow(argument);
  return PyIter_Send(target.get(), value.get(), result);
}

PySendResult throw_to_target(Portal* self, PyObject* argument, PyObject** result) {
  Ref target = Ref::borrow(self->target);
  Ref exception = Ref::borrow(argument);
  return throw_into(*self->state, target.get(), exception.get(), result);
}

// For an awaitable that is not a coroutine, and has a way of its own to be closed.
PySendResult close_target(Portal* self, PyObject*, PyObject** result) {
  Ref target = Ref::borrow(self->target);
  const bool closed = close_iterator(*self->state, target.get());
  *result = closed ? Py_NewRef(Py_None) : nullptr;
  return closed ? PYGEN_RETURN : PYGEN_ERROR;
}

Fiber::Job job_of(Step::Kind kind) {
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

PySendResult call_target(Portal* self, PyObject*, PyObject** result) {
  Ref function = Ref::borrow(self->target);
  Ref args = Ref::steal(std::exchange(self->args, nullptr));
  Ref kwargs = Ref::steal(std::exchange(self->kwargs, nullptr));
  *result = PyObject_Call(function.get(), args.get(), kwargs.get());
  if (*result != nullptr) return PYGEN_RETURN;
  interpreter::replace_stop_iteration();
  return PYGEN_ERROR;
}

PySendResult fail(PyObject** result) {
  *result = nullptr;
  return PYGEN_ERROR;
}

// The first step of a portal around a function, where there is nothing to send or throw to yet.
// Returns false, with the outcome decided, unless the function is to be called.
bool check_first_call(Portal* self, Step step) {
  if (step.kind != Step::Kind::send) {
    self->phase = Portal::Phase::finished;
    Py_CLEAR(self->args);
    Py_CLEAR(self->kwargs);
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
void refuse_thread(ModuleState& state, const Fiber& fiber) {
  // From here on the fiber may be gone: its thread may run.
  const unsigned long identifier = fiber.thread()->identifier();
  const bool ended = fiber.stranded();
  Ref message;
  if (state.explain_wrong_thread != nullptr) {
    message = Ref::steal(PyObject_CallFunction(state.explain_wrong_thread, "kO", identifier,
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

// Whether greenlet would have to switch from a stack of ours to the thread's own, where the step
// has its place: it would take all that lies between for a part of the stack.
bool is_out_of_place(Backend backend, const Thread& thread) {
  return backend == Backend::greenlet && thread.in_native();
}

void refuse_place() {
  PyErr_SetString(PyExc_RuntimeError,
                  "a portal on the greenlet backend cannot take a step inside a step of a portal "
                  "that began on the native one: import greenlet, or set switchback.backend to "
                  "'native' or 'greenlet', before the first portal begins");
}

// The backend for a portal whose first step begins.
Backend choose_backend(ModuleState& state, const Thread& thread) {
  if (interpreter::native_obstacle() != nullptr) return Backend::greenlet;
  switch (state.backend) {
    case BackendSetting::native:
      return Backend::native;
    case BackendSetting::greenlet:
      break;
    case BackendSetting::automatic:
      if (!state.environment.greenlet_loaded()) return Backend::native;
      break;
  }
  // greenlet must not be made to copy a stack of ours, which may be suspended meanwhile.
  return thread.in_native() ? Backend::native : Backend::greenlet;
}

// Whether a portal that began before greenlet was imported can do as if it began now. It cannot
// once it keeps a stack, on which greenlets may have been started.
bool can_change_backend(const Portal* self) {
  return self->backend == Backend::native && self->kept == nullptr &&
         self->state->backend == BackendSetting::automatic &&
         self->state->environment.greenlet_loaded();
}

// The fiber for a step of `self` that begins, or nullptr with an exception set.
Fiber* take_fiber(Portal* self, Thread& thread, const PyThreadState* thread_state) {
  ModuleState& state = *self->state;
  if (!self->started) state.environment.look_again();
  if (!self->started || can_change_backend(self)) self->backend = choose_backend(state, thread);
  if (is_out_of_place(self->backend, thread)) {
    refuse_place();
    return nullptr;
  }
  if (self->kept != nullptr) {
    const Backend backend = self->kept->backend();
    const bool usable =
        backend == self->backend && self->kept->belongs_to(&thread, thread_state) &&
        (backend == Backend::native || !static_cast<GreenletFiber*>(self->kept)->dead());
    if (usable) return std::exchange(self->kept, nullptr);
    release_kept(self);
  }
  if (self->backend == Backend::native) return thread.take_idle_stack(state.stack_settings);
  if (state.greenlet.load()) return thread.take_idle_greenlet(state.greenlet);
  const char* obstacle = interpreter::native_obstacle();
  if (obstacle != nullptr && PyErr_ExceptionMatches(PyExc_ImportError)) {
    PyErr_SetString(PyExc_RuntimeError, obstacle);
  }
  return nullptr;
}

// For a step of a portal that await_() has suspended: its fiber, with the message for await_(). The
// portal counts as running from then on. nullptr with an exception set on failure.
Fiber* resume_fiber(Portal* self, Step step, const Thread& thread, const PyThreadState* state) {
  Fiber* const fiber = self->fiber;
  if (!fiber->belongs_to(&thread, state)) {
    refuse_thread(*self->state, *fiber);
    return nullptr;
  }
  if (is_out_of_place(fiber->backend(), thread)) {
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
  Fiber::Job job = job_of(step.kind);
  if (self->calls_function) {
    if (!check_first_call(self, step)) return nullptr;
    job = call_target;
  }
  // Making a greenlet can collect garbage, and importing its module lets other threads run.
  self->phase = Portal::Phase::running;
  Fiber* const fiber = take_fiber(self, thread, thread_state);
  if (fiber == nullptr) {
    self->phase = Portal::Phase::idle;
    return nullptr;
  }
  fiber->set_job(job, self, step.argument);
  self->started = true;
  return fiber;
}

// Where the program has imported greenlet: whether a stack of ours must never be used again. In a
// portal that began before, a greenlet may have been started on it, and may come back to its place
// there at any time, were it only to be collected.
bool is_retired(const ModuleState& state, const Fiber& fiber) {
  return fiber.backend() == Backend::native && state.backend == BackendSetting::automatic;
}

// Takes back a fiber whose step has ended. `with_greenlets`: whether the program has imported
// greenlet.
void give_fiber(Portal* self, Thread& thread, const PyThreadState* thread_state, Fiber* fiber,
                bool with_greenlets) {
  if (with_greenlets && self->phase != Portal::Phase::finished) {
    fiber->set_thread(&thread, thread_state);
    self->kept = fiber;
  } else if (!with_greenlets || !is_retired(*self->state, *fiber)) {
    thread.give_idle(fiber);
  }
}

// Portals that other threads have dropped, but which only this thread can unwind.
void close_adopted(Thread& thread) {
  RaisedScope raised;
  Ref adopted = thread.take_adopted();
  if (!adopted) return;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(adopted.get()); ++i) {
    // The interpreter finalizes an object once, which it has tried in the other thread.
    finalize_portal(PyList_GET_ITEM(adopted.get(), i));
  }
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
  Ref keep = Ref::borrow(reinterpret_cast<PyObject*>(self));
  PyThreadState* const thread_state = interpreter::current_thread();
  if (!thread.watch(thread_state)) return fail(result);
  if (thread.has_adopted()) close_adopted(thread);
  if (!interpreter::ensure_context(thread_state)) return fail(result);
  // From here on until the portal counts as running, nothing runs Python code, which might change
  // what is checked.
  Fiber* const fiber = self->fiber != nullptr ? resume_fiber(self, step, thread, thread_state)
                                              : begin_fiber(self, step, thread, thread_state);
  if (fiber == nullptr) return fail(result);

  EnvironmentSource& source = self->state->environment;
  source.capture(self->environment, self->framework, thread_state);
  self->environment.any_greenlet = fiber->backend() == Backend::greenlet;
  const bool ended = fiber->run(thread_state, thread);
  if (!ended) {
    self->phase = Portal::Phase::idle;
    self->fiber = fiber;
    if (!fiber->is_listed()) thread.list_unfinished(fiber, thread_state);
    *result = fiber->trap();
    return PYGEN_NEXT;
  }
  if (fiber->is_listed()) Thread::unlist(fiber);
  const PySendResult outcome = fiber->job_result(result);
  // To ask may run Python code, which finds this portal running still.
  const bool with_greenlets = fiber->backend() == Backend::greenlet || source.greenlet_loaded();
  // A coroutine may refuse a step and live on: it was already executing, or not started and sent a
  // value.
  const bool goes_on =
      outcome == PYGEN_NEXT ||
      (outcome == PYGEN_ERROR && interpreter::is_unfinished_coroutine(self->target));
  self->phase = goes_on ? Portal::Phase::idle : Portal::Phase::finished;
  give_fiber(self, thread, thread_state, fiber, with_greenlets);
  return outcome;
}

void release_kept(Portal* self) {
  Fiber* fiber = std::exchange(self->kept, nullptr);
  if (fiber == nullptr || is_retired(*self->state, *fiber)) return;  // kept because of greenlet
  Thread* thread = Thread::of_this_thread();
  if (thread == nullptr) PyErr_Clear();
  if (thread != nullptr && fiber->belongs_to(thread, interpreter::current_thread())) {
    thread->give_idle(fiber);
  } else if (fiber->backend() == Backend::native) {
    StackFiber::destroy(static_cast<StackFiber*>(fiber));
  } else {
    GreenletFiber::destroy(static_cast<GreenletFiber*>(fiber));
  }
}

PyObject* close_portal(Portal* self) {
  if (self->phase == Portal::Phase::finished) Py_RETURN_NONE;
  if (never_ran(self)) {
    // Closing a coroutine that never ran runs nothing, so no fiber is needed.
    self->phase = Portal::Phase::finished;
    Py_CLEAR(self->args);
    Py_CLEAR(self->kwargs);
    if (self->calls_function) Py_RETURN_NONE;
    return PyObject_CallMethodNoArgs(self->target, self->state->name_close);
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
  PyObject* result;
  switch (run_step(self, {exit.get(), exits_by_exception ? Step::Kind::throw_ : Step::Kind::close},
                   &result)) {
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

void finalize_portal(PyObject* object) {
  auto* self = reinterpret_cast<Portal*>(object);
  if (self->phase != Portal::Phase::idle || !self->started) return;
  Fiber* const fiber = self->fiber;
  // A coroutine that others hold as well is theirs to finish.
  if (fiber == nullptr && Py_REFCNT(self->target) > 1) return;
  RaisedScope raised;
  Thread* const thread = Thread::of_this_thread();
  if (thread == nullptr) PyErr_Clear();
  if (fiber != nullptr && !fiber->belongs_to(thread, interpreter::current_thread())) {
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
}

void close_suspended_portals() {
  Thread* const thread = Thread::of_this_thread();
  if (thread == nullptr) {
    PyErr_Clear();
    return;
  }
  close_adopted(*thread);
  // Closing some may suspend new ones. Those that refuse to close, again and again, are left.
  constexpr int most_rounds = 16;
  for (int round = 0; round < most_rounds; ++round) {
    Ref portals = Ref::steal(thread->suspended_portals(interpreter::current_thread()));
    if (!portals) PyErr_Clear();
    if (!portals || PyList_GET_SIZE(portals.get()) == 0) return;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(portals.get()); ++i) {
      finalize_portal(PyList_GET_ITEM(portals.get(), i));
    }
  }
}

}  // namespace switchback::portal
