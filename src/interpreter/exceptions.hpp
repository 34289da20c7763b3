// The raised and the handled exception, by one set of functions for every minor.
#pragma once

#include "interpreter/python.hpp"

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

}  // namespace switchback::interpreter
