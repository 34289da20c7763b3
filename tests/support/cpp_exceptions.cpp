// Calls Python functions from where C++ handles an exception, or is unwinding one.
#include <Python.h>

#include <exception>
#include <stdexcept>

namespace {

// What the exception says that is being handled.
PyObject* handled() {
  try {
    throw;
  } catch (const std::runtime_error& error) {
    return PyUnicode_FromString(error.what());
  }
}

struct AtUnwind {
  PyObject* function;
  int* in_flight;
  PyObject** result;
  ~AtUnwind() {
    *result = PyObject_CallNoArgs(function);
    *in_flight = std::uncaught_exceptions();
  }
};

}  // namespace

// Calls `function` in a catch block; returns what the exception is afterwards.
extern "C" PyObject* in_catch_block(PyObject* function, const char* text) {
  try {
    throw std::runtime_error(text);
  } catch (const std::runtime_error&) {
    PyObject* result = PyObject_CallNoArgs(function);
    if (result == nullptr) return nullptr;
    Py_DECREF(result);
    return handled();
  }
}

// Calls `function` in a destructor; returns how many exceptions were in flight afterwards.
extern "C" PyObject* while_unwinding(PyObject* function) {
  int in_flight = -1;
  PyObject* result = nullptr;
  try {
    const AtUnwind at_unwind{function, &in_flight, &result};
    throw std::runtime_error("unwinding");
  } catch (const std::runtime_error&) {
    if (result == nullptr) return nullptr;
    Py_DECREF(result);
    return PyLong_FromLong(in_flight);
  }
}

// How many exceptions are in flight, and whether one is being handled.
extern "C" PyObject* exceptions_here() {
  return Py_BuildValue("ii", std::uncaught_exceptions(), std::current_exception() != nullptr);
}
