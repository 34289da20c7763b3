// Python.h, the internal frame header, and the few API differences between CPython minors.
//
// PY_VERSION_HEX is looked at in src/interpreter/ and nowhere else.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifdef Py_GIL_DISABLED
#error "Switchback does not support free-threaded builds of CPython"
#endif
#if PY_VERSION_HEX < 0x030B0000 || PY_VERSION_HEX >= 0x030E0000
#error "Switchback supports CPython 3.11, 3.12 and 3.13"
#endif

// The layouts of _PyInterpreterFrame, for the one frame that each stack starts with, and of
// PyContext, for the context that it is in.
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
#pragma GCC diagnostic pop
#ifdef SWITCHBACK_UNDEF_BUILD_CORE
#undef Py_BUILD_CORE
#undef SWITCHBACK_UNDEF_BUILD_CORE
#endif

namespace switchback::interpreter {

// The raised exception as one object, its traceback attached; nullptr if none is set.
// Returns a new reference and clears the indicator.
inline PyObject* take_raised() {
#if PY_VERSION_HEX >= 0x030C0000
  return PyErr_GetRaisedException();
#else
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  if (type == nullptr) return nullptr;
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != nullptr) PyException_SetTraceback(value, traceback);
  Py_DECREF(type);
  Py_XDECREF(traceback);
  return value;
#endif
}

// Sets `exception` as raised, with the traceback it carries. Steals the reference.
inline void set_raised(PyObject* exception) {
#if PY_VERSION_HEX >= 0x030C0000
  PyErr_SetRaisedException(exception);
#else
  PyErr_Restore(Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(exception))), exception,
                PyException_GetTraceback(exception));
#endif
}

// Gives the raised exception the one being handled as its context, as a coroutine does for each
// exception that is thrown into it (_PyErr_ChainStackItem() in Python/errors.c).
inline void chain_handled_exception() {
  PyObject* handled = PyThreadState_Get()->exc_info->exc_value;
  if (handled == nullptr || handled == Py_None) return;
  PyObject* raised = take_raised();
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised)), raised);
  Py_DECREF(raised);
}

// Replaces a raised StopIteration by the RuntimeError that a coroutine makes of it (PEP 479).
inline void replace_stop_iteration() {
  if (!PyErr_ExceptionMatches(PyExc_StopIteration)) return;
  PyObject* stop = take_raised();
  PyErr_SetString(PyExc_RuntimeError, "coroutine raised StopIteration");
  PyObject* error = take_raised();
  PyException_SetCause(error, Py_NewRef(stop));
  PyException_SetContext(error, stop);
  set_raised(error);
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

// Up to 3.11, asyncio asks the system for the process id each time that it looks for the running
// loop (get_running_loop() in Modules/_asynciomodule.c).
inline constexpr bool asyncio_running_loop_is_slow = PY_VERSION_HEX < 0x030C0000;

// Whether coroutine.close() returns what a coroutine returns that ends on GeneratorExit.
inline constexpr bool close_returns_value = PY_VERSION_HEX >= 0x030D0000;

inline bool is_finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

// Whether `object` is a native coroutine that has not run yet, the usual argument of await_().
inline bool is_unstarted_coroutine(PyObject* object) {
  return PyCoro_CheckExact(object) &&
         reinterpret_cast<PyCoroObject*>(object)->cr_frame_state == FRAME_CREATED;
}

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

// Whether `object` is a native coroutine that has not ended. Other awaitables do not tell.
inline bool is_unfinished_coroutine(PyObject* object) {
  return PyCoro_CheckExact(object) &&
         reinterpret_cast<PyCoroObject*>(object)->cr_frame_state < FRAME_COMPLETED;
}

}  // namespace switchback::interpreter
