// await_(): drives an awaitable, and hands its traps to the portal below.
#include "portal/await.hpp"

#include "portal/awaitable.hpp"
#include "portal/portal.hpp"
#include "portal/thread.hpp"

namespace switchback::portal {
namespace {

// Sets NoPortalError, in the words of the Python package, which knows the frameworks.
void set_no_portal(ModuleState& state) {
  Ref message;
  if (state.explain_no_portal != nullptr) {
    message = Ref::steal(PyObject_CallNoArgs(state.explain_no_portal));
    if (!message) interpreter::clear_error_but_interrupts();
  }
  if (message) {
    PyErr_SetObject(state.no_portal_error, message.get());
  } else {
    PyErr_SetString(state.no_portal_error, "await_() was called outside of a portal");
  }
}

// await_() cannot work here: closes what it was given, so that no warning about a coroutine that
// was never awaited follows. Always returns nullptr.
PyObject* refuse(ModuleState& state, PyObject* iterator) {
  set_no_portal(state);
  RaisedScope raised;
  if (!close_iterator(state, iterator)) PyErr_WriteUnraisable(iterator);
  return nullptr;
}

}  // namespace

bool in_portal(ModuleState& state) {
  Fiber* fiber = Thread::current_fiber();
  return fiber != nullptr &&
         state.environment.matches(fiber->portal()->environment, interpreter::current_thread());
}

namespace {

// Whether somebody else than the portal has switched to this await_(). Its step may have ended
// then, and the portal be gone; suspend() refuses to go on.
bool is_astray(const Fiber& fiber) {
  return fiber.backend() == Backend::greenlet && Thread::current_fiber() != &fiber;
}

bool in_innermost_task(const Fiber& fiber) {
  const Portal* portal = fiber.portal();
  return portal->state->environment.matches(portal->environment, interpreter::current_thread());
}

// The rest of await_() after the first step of `iterator`, whose `outcome` and `result` (stolen)
// PyIter_Send() has given.
PyObject* drive(ModuleState& state, Fiber& fiber, PyObject* iterator, PySendResult outcome,
                PyObject* result) {
  bool was_astray = false;
  while (outcome == PYGEN_NEXT) {
    Ref trap = Ref::steal(result);
    const bool astray = is_astray(fiber);
    const bool refused = astray ? was_astray : !in_innermost_task(fiber);
    if (refused) return refuse(state, iterator);
    was_astray = astray;
    PyObject* exception;
    Ref value = Ref::steal(fiber.suspend(trap.release(), iterator, &exception));
    if (value) {
      outcome = PyIter_Send(iterator, value.get(), &result);
    } else {
      Ref thrown = Ref::steal(exception);
      outcome = throw_into_delegate(state, iterator, thrown.get(), &result);
      if (outcome == PYGEN_ERROR) interpreter::chain_handled_exception();
    }
  }
  return result;
}

// await_() of anything but a coroutine that has not run yet, or on greenlet.
[[gnu::noinline]] PyObject* await_any(ModuleState& state, Fiber* fiber, PyObject* awaitable) {
  Ref keep = fiber != nullptr ? fiber->keep() : Ref();
  Ref iterator = await_iterator(awaitable);
  if (!iterator) return nullptr;
  if (fiber == nullptr) return refuse(state, iterator.get());
  PyObject* result;
  const PySendResult outcome = PyIter_Send(iterator.get(), Py_None, &result);
  return drive(state, *fiber, iterator.get(), outcome, result);
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
      return refuse(*fiber.portal()->state, coroutine);
    }
    PyObject* exception;
    PyObject* const value = fiber.suspend_stack(trap, coroutine, &exception);
    PyObject* result;
    if (value == nullptr) [[unlikely]] {
      // An exception is thrown in; from here on by what serves every case.
      Ref thrown = Ref::steal(exception);
      ModuleState& state = *fiber.portal()->state;
      const PySendResult outcome = throw_into_delegate(state, coroutine, thrown.get(), &result);
      if (outcome == PYGEN_ERROR) interpreter::chain_handled_exception();
      return drive(state, fiber, coroutine, outcome, result);
    }
    const PySendResult outcome = send_to_coroutine(coroutine, value, &result);
    Py_DECREF(value);
    if (outcome != PYGEN_NEXT) return result;
    trap = result;
  }
}

}  // namespace

PyObject* await_function(PyObject* module, PyObject* awaitable) {
  Fiber* const fiber = Thread::current_fiber();
  const bool is_usual = fiber != nullptr && fiber->backend() == Backend::native &&
                        interpreter::is_unstarted_coroutine(awaitable);
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
