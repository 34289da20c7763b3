// Python.h, and the few API differences between CPython minors.
//
// PY_VERSION_HEX is looked at in src/interpreter/ and nowhere else.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifdef Py_GIL_DISABLED
#error "Switchback does not support free-threaded builds of CPython: use the build with a GIL"
#endif
#if PY_VERSION_HEX < 0x030B0000
#error "Switchback needs CPython 3.11 or later"
#endif
// Where the layouts are not known, or were not final yet, portals run on greenlet: without the
// native backend, nothing depends on the interpreter's internals. CPython 3.14.0 counts among these
// as it cannot be told of the limits of a stack.
#if PY_VERSION_HEX >= 0x03100000 ||                                  \
    (PY_VERSION_HEX >= 0x030F0000 && PY_VERSION_HEX < 0x030F00C1) || \
    (PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x030E01F0)
#undef SWITCHBACK_UNKNOWN_MINOR
#define SWITCHBACK_UNKNOWN_MINOR 1
#endif

namespace switchback::interpreter {

// The thread state of the calling thread, which holds the GIL.
inline PyThreadState* current_thread() {
#ifdef SWITCHBACK_UNKNOWN_MINOR
  return PyThreadState_Get();
#elif PY_VERSION_HEX >= 0x030D0000
  return PyThreadState_GetUnchecked();
#else
  return _PyThreadState_UncheckedGet();
#endif
}

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

// Clears the raised exception where it tells nobody anything. A Ctrl-C is not ours to lose: it
// comes again.
inline void clear_error_but_interrupts() {
  if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) PyErr_SetInterrupt();
  PyErr_Clear();
}

// Gives the raised exception the one being handled as its context, as a coroutine does for each
// exception that is thrown into it (_PyErr_ChainStackItem() in Python/errors.c).
inline void chain_handled_exception() {
#ifdef SWITCHBACK_UNKNOWN_MINOR
  PyObject* handled = PyErr_GetHandledException();
  Py_XDECREF(handled);
#else
  PyObject* handled = PyThreadState_Get()->exc_info->exc_value;
#endif
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

// From 3.14 on, asyncio keeps a thread's current task where only its own functions find it.
inline constexpr bool asyncio_current_tasks_is_a_dict = PY_VERSION_HEX < 0x030E0000;

// Whether coroutine.close() returns what a coroutine returns that ends on GeneratorExit.
inline constexpr bool close_returns_value = PY_VERSION_HEX >= 0x030D0000;

inline bool is_finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
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

}  // namespace switchback::interpreter
