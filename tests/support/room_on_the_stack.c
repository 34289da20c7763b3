/* Calls a Python function below room on the C stack that nothing writes to. */
#include <Python.h>
#include <alloca.h>

PyObject *call_below(PyObject *function, size_t room) {
  volatile char *place = alloca(room);
  place[0] = 0; /* the lowest byte */
  return PyObject_CallNoArgs(function);
}
