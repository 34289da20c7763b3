// The interpreter's internal headers, and what is read or replaced by their layouts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "interpreter/python.hpp"

// The layouts of _PyInterpreterFrame, for the one frame that each stack starts with, of PyContext,
// for the context that it is in, and of coroutines.
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#define SWITCHBACK_UNDEF_BUILD_CORE
#endif
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <internal/pycore_context.h>
#include <internal/pycore_frame.h>
#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe_structs.h>
#include <internal/pycore_stackref.h>
#endif
#pragma GCC diagnostic pop
#ifdef SWITCHBACK_UNDEF_BUILD_CORE
#undef Py_BUILD_CORE
#undef SWITCHBACK_UNDEF_BUILD_CORE
#endif

namespace switchback::interpreter {

// Where a coroutine says how far it has got, from the minor on of which debuggers read that; and
// what one says that has ended.
#if PY_VERSION_HEX >= 0x030E0000
inline constexpr std::size_t frame_state_offset = offsetof(PyCoroObject, cr_frame_state);
#else
inline constexpr std::size_t frame_state_offset = 0;
#endif
inline constexpr auto frame_cleared = static_cast<std::int8_t>(FRAME_CLEARED);

// Whether `object` is a native coroutine that has not run yet, the usual argument of await_().
inline bool is_unstarted_coroutine(PyObject* object) {
  return PyCoro_CheckExact(object) &&
         reinterpret_cast<PyCoroObject*>(object)->cr_frame_state == FRAME_CREATED;
}

// Whether `object` is a native coroutine that has not ended. Other awaitables do not tell.
inline bool is_unfinished_coroutine(PyObject* object) {
  return PyCoro_CheckExact(object) &&
         reinterpret_cast<PyCoroObject*>(object)->cr_frame_state <= FRAME_EXECUTING;
}

// Whether `object` is a native coroutine or generator that runs. Its throw() and close() refuse
// that, but up to 3.12 only after having read its stack at a place where there may be anything.
inline bool is_executing(PyObject* object) {
  return (PyCoro_CheckExact(object) || PyGen_CheckExact(object)) &&
         reinterpret_cast<PyGenObject*>(object)->gi_frame_state == FRAME_EXECUTING;
}

// While Python code runs in a thread state that is being cleared. C code that it calls may ask for
// the GIL, and must not take the state for unused when it is done (PyGILState_Release()). What the
// code leaves in the state has to be dropped after it, as the interpreter has been there.
class EndingState {
 public:
  explicit EndingState(PyThreadState* state) : state_(state) { ++state_->gilstate_counter; }
  EndingState(const EndingState&) = delete;
  EndingState& operator=(const EndingState&) = delete;
  ~EndingState() {
#if PY_VERSION_HEX >= 0x030D0000
    Py_CLEAR(state_->threading_local_key);
    Py_CLEAR(state_->threading_local_sentinel);
#endif
    Py_CLEAR(state_->dict);
    --state_->gilstate_counter;
  }

 private:
  PyThreadState* state_;
};

// Has a `context` that was entered in `followed` (borrowed) be left for `base`, a stack being
// resumed in another context than the one in which it had called Context.run(). May run Python
// code.
inline void rebase_context(PyObject* context, PyObject*& followed, PyObject* base) {
  if (base == followed) return;
  auto* entered = reinterpret_cast<PyContext*>(context);
  auto* bottom = reinterpret_cast<PyContext*>(followed);
  while (entered->ctx_prev != nullptr && entered->ctx_prev != bottom) entered = entered->ctx_prev;
  if (entered->ctx_prev == nullptr) return;
  // PyContext_Enter() has moved the thread state's reference there (Python/context.c).
  entered->ctx_prev = reinterpret_cast<PyContext*>(Py_NewRef(base));
  PyObject* previous = std::exchange(followed, base);
  Py_DECREF(previous);
}

// The context that is current, a new reference; nullptr if there is none yet.
inline PyObject* current_context(PyThreadState* thread) { return Py_XNewRef(thread->context); }

// Creates the thread's context if it has none yet, so that every switch finds one.
inline bool ensure_context(PyThreadState* thread) {
  if (thread->context != nullptr) return true;
  PyObject* copy = PyContext_CopyCurrent();
  Py_XDECREF(copy);
  return copy != nullptr;
}

}  // namespace switchback::interpreter
