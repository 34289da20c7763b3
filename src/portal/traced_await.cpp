// What tools are told of an await_(), around each switch and at its end.
#include "portal/traced_await.hpp"

#include "tracing/switch_events.hpp"

namespace switchback::portal {

#if SWITCHBACK_KNOWS_FRAMES
using interpreter::current_thread_state;

namespace {

PyObject* tell_resumed(tracing::Suspension& suspension, PyObject* value, PyObject** exception) {
  if (suspension.tell_resumed(current_thread_state())) return value;
  // It is raised where await_() was called, by way of what is awaited.
  Py_XDECREF(value);
  Py_XSETREF(*exception, interpreter::take_raised());
  return nullptr;
}

}  // namespace

PyObject* suspend_traced(Fiber& fiber, PyObject* trap, PyObject* awaited, bool call_is_told,
                         PyObject** exception) {
  tracing::Suspension suspension(call_is_told);
  PyThreadState* const thread_state = current_thread_state();
  if (!suspension.tell_suspended(thread_state, trap)) {
    Py_DECREF(trap);
    *exception = interpreter::take_raised();
    return nullptr;
  }
  PyObject* value;
  {
    const interpreter::TracingPause pause(thread_state);
    value = fiber.suspend(trap, awaited, exception);
  }
  return tell_resumed(suspension, value, exception);
}

PyObject* resume_traced(PyObject* value, bool call_is_told, PyObject** exception) {
  tracing::Suspension suspension(call_is_told);
  return tell_resumed(suspension, value, exception);
}

PyObject* await_traced(AwaitTold await, PyObject* module, PyObject* awaitable) {
  PyThreadState* const thread_state = current_thread_state();
  const bool call_is_told = tracing::is_call_told(thread_state);
  Ref frame;
  if (tracing::tells_completions(thread_state) && PyCoro_CheckExact(awaitable)) {
    frame = Ref::steal(PyObject_GetAttrString(awaitable, "cr_frame"));
    if (!frame) return nullptr;
  }
  Ref result = Ref::steal(await(module, awaitable, call_is_told));
  if (result && frame && frame.get() != Py_None &&
      !tracing::tell_completed(thread_state, frame.get(), result.get())) {
    return nullptr;
  }
  return result.release();
}
#endif

}  // namespace switchback::portal
