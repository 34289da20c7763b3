// await_(): drives an awaitable, and hands its traps to the portal below.
#include "portal/await.hpp"

#include "fiber/thread.hpp"
#include "portal/awaitable.hpp"

namespace switchback::portal {

using fiber::DelegatedFiber;
using fiber::StackFiber;
using fiber::Thread;

namespace {

// Sets NoPortalError, in the words of the Python package, which knows the frameworks.
void set_no_portal(ModuleState& module_state) {
  Ref message;
  if (module_state.explain_no_portal != nullptr) {
    message = Ref::steal(PyObject_CallNoArgs(module_state.explain_no_portal));
    if (!message) interpreter::clear_error_but_interrupts();
  }
  if (message) {
    PyErr_SetObject(module_state.no_portal_error, message.get());
  } else {
    PyErr_SetString(module_state.no_portal_error, "await_() was called outside of a portal");
  }
}

// await_() cannot work here: closes what it was given, so that no warning about a coroutine that
// was never awaited follows. Always returns nullptr.
PyObject* refuse(ModuleState& module_state, PyObject* iterator) {
  set_no_portal(module_state);
  RaisedScope raised;
  if (!close_iterator(module_state, iterator)) PyErr_WriteUnraisable(iterator);
  return nullptr;
}

// Whether the task that the fiber's step belongs to is the innermost one. Asked at each suspension.
[[gnu::always_inline]] inline bool in_innermost_task(const Fiber& fiber) {
  Portal* const portal = portal_on(fiber);
  return portal->module_state->current_tasks.is_innermost(portal->noted,
                                                          interpreter::current_thread_state());
}

// Whether somebody else than the portal has switched to this await_(). Its step may have ended
// then, and the portal be gone; suspend() refuses to go on.
bool is_astray(const Fiber& fiber) {
  return !fiber.is_native() && Thread::current_fiber() != &fiber;
}

// The rest of await_() after the first step of `iterator`, whose `outcome` and `result` (stolen)
// PyIter_Send() has given.
PyObject* drive(ModuleState& module_state, Fiber& fiber, PyObject* iterator, PySendResult outcome,
                PyObject* result) {
  bool was_astray = false;
  while (outcome == PYGEN_NEXT) {
    Ref trap = Ref::steal(result);
    const bool astray = is_astray(fiber);
    const bool refused = astray ? was_astray : !in_innermost_task(fiber);
    if (refused) return refuse(module_state, iterator);
    was_astray = astray;
    PyObject* exception;
    Ref value = Ref::steal(fiber.suspend(trap.release(), iterator, &exception));
    if (value) {
      outcome = PyIter_Send(iterator, value.get(), &result);
    } else {
      Ref thrown = Ref::steal(exception);
      outcome = throw_into_delegate(module_state, iterator, thrown.get(), &result);
      if (outcome == PYGEN_ERROR) interpreter::chain_handled_exception();
    }
  }
  return result;
}

// await_() of anything but a coroutine that has not run yet, or on greenlet.
[[gnu::noinline]] PyObject* await_any(ModuleState& module_state, Fiber* fiber,
                                      PyObject* awaitable) {
  // A greenlet may wait in here when the step that it belongs to, and the portal, have ended.
  // Nothing goes on running on a stack of ours that has been given back.
  Ref keep;
  if (fiber != nullptr && !fiber->is_native()) keep = static_cast<DelegatedFiber*>(fiber)->keep();
  Ref iterator = await_iterator(awaitable);
  if (!iterator) return nullptr;
  if (fiber == nullptr) return refuse(module_state, iterator.get());
  PyObject* result;
  const PySendResult outcome = PyIter_Send(iterator.get(), Py_None, &result);
  return drive(module_state, *fiber, iterator.get(), outcome, result);
}

// By its slot: PyIter_Send() would do just that.
PySendResult send_to_coroutine(PyObject* coroutine, PyObject* value, PyObject** result) {
  return PyCoro_Type.tp_as_async->am_send(coroutine, value, result);
}

// The rest of await_() after a new coroutine has yielded `trap` (stolen), on a stack of ours: the
// usual case, without what the others need. Apart from await_function(), so that the latter, where
// nothing suspends, has few registers to save.
[[gnu::noinline]] PyObject* drive_coroutine(StackFiber& fiber, PyObject* coroutine,
                                            PyObject* trap) {
  for (;;) {
    if (!in_innermost_task(fiber)) [[unlikely]] {
      Py_DECREF(trap);
      return refuse(*portal_on(fiber)->module_state, coroutine);
    }
    PyObject* exception;
    PyObject* const value = fiber.suspend_stack(trap, coroutine, &exception);
    PyObject* result;
    if (value == nullptr) [[unlikely]] {
      // An exception is thrown in; from here on by what serves every case.
      Ref thrown = Ref::steal(exception);
      ModuleState& module_state = *portal_on(fiber)->module_state;
      const PySendResult outcome =
          throw_into_delegate(module_state, coroutine, thrown.get(), &result);
      if (outcome == PYGEN_ERROR) interpreter::chain_handled_exception();
      return drive(module_state, fiber, coroutine, outcome, result);
    }
    const PySendResult outcome = send_to_coroutine(coroutine, value, &result);
    Py_DECREF(value);
    if (outcome != PYGEN_NEXT) return result;
    trap = result;
  }
}

}  // namespace

Portal* active_portal() {
  const Fiber* const fiber = Thread::current_fiber();
  return fiber != nullptr && in_innermost_task(*fiber) ? portal_on(*fiber) : nullptr;
}

PyObject* await_function(PyObject* module, PyObject* awaitable) {
  Fiber* const fiber = Thread::current_fiber();
  const bool is_usual =
      fiber != nullptr && fiber->is_native() && interpreter::is_unstarted_coroutine(awaitable);
  if (!is_usual) [[unlikely]] {
    return await_any(state_of_module(module), fiber, awaitable);
  }
  // A coroutine that does not suspend is done here, wherever it runs; only a trap has to find its
  // way to the right event loop.
  PyObject* result;
  if (send_to_coroutine(awaitable, Py_None, &result) != PYGEN_NEXT) return result;
  return drive_coroutine(static_cast<StackFiber&>(*fiber), awaitable, result);
}

}  // namespace switchback::portal
