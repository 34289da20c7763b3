// Suspending a fiber where tools may follow calls and returns.
#pragma once

#include "fiber/stack_fiber.hpp"
#include "portal/portal.hpp"
#include "tracing/gate.hpp"

namespace switchback::portal {

#if SWITCHBACK_KNOWS_FRAMES
// Fiber::suspend(), with what tools are told before and after. `call_is_told` as for
// tracing::Suspension.
PyObject* suspend_traced(Fiber& fiber, PyObject* trap, PyObject* awaited, bool call_is_told,
                         PyObject** exception);

// What comes after fiber.suspend() has returned `value` (stolen) and *exception.
PyObject* resume_traced(PyObject* value, bool call_is_told, PyObject** exception);

// await_() where tools may follow it: calls `await`, and tells them of its end.
using AwaitTold = PyObject* (*)(PyObject* module, PyObject* awaitable, bool call_is_told);
PyObject* await_traced(AwaitTold await, PyObject* module, PyObject* awaitable);

// Fiber::suspend(), told of to tools if there are any.
inline PyObject* suspend_told(Fiber& fiber, PyObject* trap, PyObject* awaited, bool call_is_told,
                              PyObject** exception) {
  if (call_is_told || tracing::may_be_followed()) [[unlikely]] {
    return suspend_traced(fiber, trap, awaited, call_is_told, exception);
  }
  PyObject* const value = fiber.suspend(trap, awaited, exception);
  if (tracing::may_be_followed()) [[unlikely]] {
    return resume_traced(value, call_is_told, exception);
  }
  return value;
}

// StackFiber::suspend_stack(), likewise, in an await_() whose call no tool was told of.
[[gnu::always_inline]] inline PyObject* suspend_stack_told(fiber::StackFiber& fiber, PyObject* trap,
                                                           PyObject* awaited,
                                                           PyObject** exception) {
  if (tracing::may_be_followed()) [[unlikely]] {
    return suspend_traced(fiber, trap, awaited, false, exception);
  }
  PyObject* const value = fiber.suspend_stack(trap, awaited, exception);
  if (tracing::may_be_followed()) [[unlikely]]
    return resume_traced(value, false, exception);
  return value;
}

#else
// Tools are told nothing.
inline PyObject* suspend_told(Fiber& fiber, PyObject* trap, PyObject* awaited, bool,
                              PyObject** exception) {
  return fiber.suspend(trap, awaited, exception);
}
inline PyObject* suspend_stack_told(fiber::StackFiber& fiber, PyObject* trap, PyObject* awaited,
                                    PyObject** exception) {
  return fiber.suspend_stack(trap, awaited, exception);
}
#endif

}  // namespace switchback::portal
