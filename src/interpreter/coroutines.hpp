// Coroutines as the interpreter has them: how far one has got, and the words of `await`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "interpreter/python.hpp"

#ifdef SWITCHBACK_UNKNOWN_MINOR
#include "interpreter/unknown.hpp"
#else
#include "interpreter/internals.hpp"
#endif

namespace switchback::interpreter {

#ifndef SWITCHBACK_UNKNOWN_MINOR
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
#endif

// Whether `object` is a generator that types.coroutine() has made awaitable.
inline bool is_generator_coroutine(PyObject* object) {
  if (!PyGen_CheckExact(object)) return false;
#if PY_VERSION_HEX >= 0x030C0000
  PyCodeObject* code = PyGen_GetCode(reinterpret_cast<PyGenObject*>(object));
  const bool marked = (code->co_flags & CO_ITERABLE_COROUTINE) != 0;
  Py_DECREF(code);
  return marked;
#else
  PyCodeObject* code = reinterpret_cast<PyGenObject*>(object)->gi_code;
  return (code->co_flags & CO_ITERABLE_COROUTINE) != 0;
#endif
}

// Whether `object` is what aclose() of an async generator returns, by which event loops finish
// those that are dropped.
inline bool is_close_of_generator(PyObject* object) {
  return std::strcmp(Py_TYPE(object)->tp_name, "async_generator_athrow") == 0;
}

// Whether coroutine.close() returns what a coroutine returns that ends on GeneratorExit.
inline constexpr bool close_returns_value = PY_VERSION_HEX >= 0x030D0000;

// The interpreter's words for what `await` refuses: an object, and what its __await__() returned.
inline void set_not_awaitable(PyObject* object) {
#if PY_VERSION_HEX >= 0x030E0000
  constexpr const char* format = "'%.100s' object can't be awaited";
#else
  constexpr const char* format = "object %.100s can't be used in 'await' expression";
#endif
  PyErr_Format(PyExc_TypeError, format, Py_TYPE(object)->tp_name);
}

inline void set_await_returned_coroutine([[maybe_unused]] PyObject* object) {
#if PY_VERSION_HEX >= 0x030F0000
  PyErr_Format(PyExc_TypeError, "%T.__await__() must return an iterator, not coroutine", object);
#else
  PyErr_SetString(PyExc_TypeError, "__await__() returned a coroutine");
#endif
}

inline void set_await_returned_no_iterator([[maybe_unused]] PyObject* object, PyObject* returned) {
#if PY_VERSION_HEX >= 0x030F0000
  PyErr_Format(PyExc_TypeError, "%T.__await__() must return an iterator, not %T", object, returned);
#else
  PyErr_Format(PyExc_TypeError, "__await__() returned non-iterator of type '%.100s'",
               Py_TYPE(returned)->tp_name);
#endif
}

// `object.name`, or nullptr without an exception when there is no such attribute. A new reference;
// *failed tells an exception from an absence.
inline PyObject* optional_attribute(PyObject* object, PyObject* name, bool* failed) {
  PyObject* value = nullptr;
#if PY_VERSION_HEX >= 0x030D0000
  *failed = PyObject_GetOptionalAttr(object, name, &value) < 0;
#else
  *failed = _PyObject_LookupAttr(object, name, &value) < 0;
#endif
  return value;
}

}  // namespace switchback::interpreter
