// await_(): drives an awaitable, and hands its traps to the portal below.
#include "portal/await.hpp"

#include "fiber/thread.hpp"
#include "portal/awaitable.hpp"
#include "portal/cancellation.hpp"
#include "portal/debug.hpp"
#include "portal/traced_await.hpp"

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

// Where `object` cannot be awaited: has the TypeError say what to do instead, in the words of the
// Python package.
void explain_not_awaitable(const ModuleState& module_state, PyObject* object) {
  const PyAsyncMethods* const methods = Py_TYPE(object)->tp_as_async;
  const bool awaitable = methods != nullptr && methods->am_await != nullptr;
  if (awaitable || module_state.explain_not_awaitable == nullptr) return;
  Ref error = Ref::steal(interpreter::take_raised());
  Ref text = Ref::steal(PyObject_Str(error.get()));
  Ref message = Ref::steal(text ? PyObject_CallFunctionObjArgs(module_state.explain_not_awaitable,
                                                               object, text.get(), nullptr)
                                : nullptr);
  if (!message) interpreter::clear_error_but_interrupts();
  PyErr_SetObject(PyExc_TypeError, message ? message.get() : text.get());
}

// So that no warning about a coroutine that was never awaited follows. Keeps the exception that is
// set.
void close_refused(ModuleState& module_state, PyObject* iterator) {
  RaisedScope raised;
  if (!close_iterator(module_state, iterator)) PyErr_WriteUnraisable(iterator);
}

// await_() cannot work here: closes what it was given. Always returns nullptr.
PyObject* refuse(ModuleState& module_state, PyObject* iterator) {
  set_no_portal(module_state);
  close_refused(module_state, iterator);
  return nullptr;
}

// await_() would suspend where the portal's code guards against that: as refuse(), with what the
// guard says.
PyObject* refuse_suspension(ModuleState& module_state, PyObject* guard, PyObject* iterator) {
  Ref message = Ref::steal(PyObject_CallNoArgs(guard));
  if (message) PyErr_SetObject(PyExc_RuntimeError, message.get());
  close_refused(module_state, iterator);
  return nullptr;
}

// The rest of await_() after the first step of `iterator`, whose `outcome` and `result` (stolen)
// PyIter_Send() has given. To which step a trap belongs is asked each time: code in a greenlet goes
// on in another one where something else than its portal has switched to it.
// `call_is_told` as for suspend_told().
PyObject* drive(ModuleState& module_state, PyObject* iterator, fiber::AwaitDetails details,
                PySendResult outcome, PyObject* result, bool call_is_told) {
  // A delegated fiber is kept for what runs on it: it may wait in here when the step that it
  // belongs to, and the portal, have ended.
  Ref keep;
  while (outcome == PYGEN_NEXT) {
    Ref trap = Ref::steal(result);
    Fiber* const fiber = Thread::current_fiber();
    if (fiber != nullptr && portal_on(*fiber)->looks_late) {
      portal_on(*fiber)->looks_late = false;
      module_state.current_tasks.look_again();
    }
    if (fiber == nullptr || !in_innermost_task(*fiber)) return refuse(module_state, iterator);
    Ref guard = Ref::borrow(portal_on(*fiber)->guard);
    if (guard) return refuse_suspension(module_state, guard.get(), iterator);
    if (portal_on(*fiber)->cancellation != nullptr) cancel_again(portal_on(*fiber));
    if (module_state.debug != nullptr) [[unlikely]]
      look_before_suspension(portal_on(*fiber));
    fiber->set_guarded(is_guarded(portal_on(*fiber)));  // still
    if (!fiber->is_native()) keep = static_cast<DelegatedFiber*>(fiber)->keep();
    // Elsewhere the fiber may be gone when this goes on.
    const bool on_own_stack =
        fiber->is_native() && !static_cast<StackFiber*>(fiber)->is_on_errand();
    if (on_own_stack) fiber->set_details(details);
    PyObject* exception;
    Ref value =
        Ref::steal(suspend_told(*fiber, trap.release(), iterator, call_is_told, &exception));
    if (on_own_stack) fiber->set_details({nullptr, nullptr});
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

// As await_() ends with an exception, in whichever step it does.
void note_error() {
  if (!may_cancel(PyErr_Occurred())) return;
  PyObject* const exception = interpreter::take_raised();  // to look for the fiber would clear it
  Fiber* const fiber = Thread::current_fiber();
  if (fiber != nullptr && in_innermost_task(*fiber)) {
    note_raised(portal_on(*fiber), *fiber, exception);
  }
  interpreter::set_raised(exception);
}

// await_() of anything but a coroutine that has not run yet, or elsewhere than on a stack of ours.
[[gnu::noinline]] PyObject* await_any(ModuleState& module_state, PyObject* awaitable,
                                      bool call_is_told) {
  if (module_state.await_in_thread != nullptr && Thread::current_fiber() == nullptr) {
    Ref function = Ref::borrow(module_state.await_in_thread);
    Ref found = Ref::steal(PyObject_CallOneArg(function.get(), awaitable));
    if (!found) return nullptr;
    if (PyTuple_Check(found.get())) return Py_NewRef(PyTuple_GET_ITEM(found.get(), 0));
  }
  Ref iterator = await_iterator(awaitable);
  if (!iterator) {
    explain_not_awaitable(module_state, awaitable);
    return nullptr;
  }
  if (Thread::current_fiber() == nullptr) return refuse(module_state, iterator.get());
  PyObject* result;
  const PySendResult outcome = PyIter_Send(iterator.get(), Py_None, &result);
  result = drive(module_state, iterator.get(), {awaitable, iterator.get()}, outcome, result,
                 call_is_told);
  if (result == nullptr) note_error();
  return result;
}

// await_() of anything but the usual.
[[gnu::noinline]] PyObject* await_unusual(PyObject* module, PyObject* awaitable) {
#if SWITCHBACK_KNOWS_FRAMES
  if (tracing::may_be_followed() && Thread::current_fiber() != nullptr) {
    const auto await = [](PyObject* self, PyObject* object, bool call_is_told) {
      return await_any(state_of_module(self), object, call_is_told);
    };
    return await_traced(await, module, awaitable);
  }
#endif
  return await_any(state_of_module(module), awaitable, false);
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
    if (!fiber.takes_short_way()) [[unlikely]] {
      // What the coroutine has called has given cause to look closer.
      ModuleState& module_state = *portal_on(fiber)->module_state;
      PyObject* const result =
          drive(module_state, coroutine, {coroutine, nullptr}, PYGEN_NEXT, trap, false);
      if (result == nullptr) note_error();
      return result;
    }
    PyObject* exception;
    PyObject* const value = suspend_stack_told(fiber, trap, coroutine, &exception);
    PyObject* result;
    if (value == nullptr) [[unlikely]] {
      // An exception is thrown in; from here on by what serves every case.
      Ref thrown = Ref::steal(exception);
      ModuleState& module_state = *portal_on(fiber)->module_state;
      const PySendResult outcome =
          throw_into_delegate(module_state, coroutine, thrown.get(), &result);
      if (outcome == PYGEN_ERROR) interpreter::chain_handled_exception();
      thrown = Ref();
      result = drive(module_state, coroutine, {coroutine, nullptr}, outcome, result, false);
      if (result == nullptr) note_error();
      return result;
    }
    const PySendResult outcome = send_to_coroutine(coroutine, value, &result);
    Py_DECREF(value);
    if (outcome != PYGEN_NEXT) {
      if (result == nullptr) note_error();
      return result;
    }
    trap = result;
  }
}

}  // namespace

Portal* active_portal() {
  const Fiber* const fiber = Thread::current_fiber();
  return fiber != nullptr && in_innermost_task(*fiber) ? portal_on(*fiber) : nullptr;
}

PyObject* await_function(PyObject* module, PyObject* awaitable) {
  StackFiber* const fiber = Thread::native_fiber();
  const bool is_usual = fiber != nullptr && fiber->takes_short_way() &&
                        interpreter::is_unstarted_coroutine(awaitable) &&
                        !tracing::may_be_followed();
  if (!is_usual) [[unlikely]] {
    return await_unusual(module, awaitable);
  }
  // A coroutine that does not suspend is done here, wherever it runs; only a trap has to find its
  // way to the right event loop.
  PyObject* result;
  if (send_to_coroutine(awaitable, Py_None, &result) != PYGEN_NEXT) return result;
  return drive_coroutine(*fiber, awaitable, result);
}

}  // namespace switchback::portal
