// Fields of other people's C structures, found by looking for a value that is known to be in one.
#pragma once

#include "portal/ref.hpp"

namespace switchback::portal {

inline PyObject*& field_at(PyObject* object, Py_ssize_t offset) {
  return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + offset);
}

// The offset of the only field of `holder` that refers to `referent`; 0 if none does, -1 if more
// than one does.
inline Py_ssize_t find_field(PyObject* holder, PyObject* referent) {
  Py_ssize_t found = 0;
  const Py_ssize_t end = Py_TYPE(holder)->tp_basicsize - static_cast<Py_ssize_t>(sizeof(PyObject*));
  for (Py_ssize_t at = sizeof(PyObject); at <= end; at += alignof(PyObject*)) {
    if (field_at(holder, at) != referent) continue;
    if (found != 0) return -1;
    found = at;
  }
  return found;
}

}  // namespace switchback::portal
