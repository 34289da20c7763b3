// await_(): drives an awaitable, and hands its traps to the portal below.
#include "portal/await.hpp"

#include "portal/awaitable.hpp"
#include "portal/fiber.hpp"
#include "portal/portal.hpp"

namespace switchback::portal {
namespace {

// Sets NoPortalError, in the words of the Python package, which knows the frameworks.
void set_no_portal(ModuleState& state) {
  if (state.explain_no_portal == nullptr) {
    PyErr_SetString(state.no_portal_error, "await_() was called outside of a portal");
    return;
  }
  Ref message = Ref::steal(PyObject_CallNoArgs(state.explain_no_portal));
  if (message) PyErr_SetObject(state.no_portal_error, message.get());
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
  Fiber* fiber = Thread::of_this_thread().current();
  return fiber != nullptr && state.environment.matches(fiber->portal()->environment);
}

PyObject* await_function(PyObject* module, PyObject* awaitable) {
  ModuleState& state = state_of_module(module);
  Ref found;  // empty where the iterator is the argument itself
  PyObject* iterator = awaitable;
  if (!interpreter::is_unstarted_coroutine(awaitable)) {
    found = await_iterator(awaitable);
    if (!found) return nullptr;
    iterator = found.get();
  }
  Fiber* const fiber = Thread::of_this_thread().current();
  if (fiber == nullptr) return refuse(state, iterator);

  PyObject* result;
  PySendResult outcome = PyIter_Send(iterator, Py_None, &result);
  while (outcome == PYGEN_NEXT) {
    Ref trap = Ref::steal(result);
    if (!state.environment.matches(fiber->portal()->environment)) return refuse(state, iterator);
    PyObject* exception;
    Ref value = Ref::steal(fiber->suspend(trap.release(), &exception));
    if (value) {
      outcome = PyIter_Send(iterator, value.get(), &result);
    } else {
      Ref thrown = Ref::steal(exception);
      outcome = throw_into_delegate(state, iterator, thrown.get(), &result);
    }
  }
  return result;
}

}  // namespace switchback::portal
