// Telling the Python package of suspensions, in debug mode.
#include "portal/debug.hpp"

#include "foreign/os/system.hpp"

namespace switchback::portal {
namespace {

void tell(const Portal* self, const char* function, PyObject* first, PyObject* second = nullptr) {
  Ref functions = Ref::borrow(self->module_state->debug);
  Ref found = Ref::steal(PyObject_GetAttrString(functions.get(), function));
  Ref told = Ref::steal(found ? PyObject_CallFunctionObjArgs(found.get(), first, second, nullptr)
                              : nullptr);
  if (!told) PyErr_WriteUnraisable(found.get());
}

// The files of the modules that have called on this stack, the innermost first, each once.
Ref calling_modules() {
  Ref modules = Ref::steal(PyDict_New());
  if (modules) {
    foreign::for_each_caller(
        [](const char* name, void* argument) {
          Ref file = Ref::steal(PyUnicode_DecodeFSDefault(name));
          if (!file || PyDict_SetItem(static_cast<PyObject*>(argument), file.get(), Py_None) < 0) {
            PyErr_Clear();
          }
        },
        modules.get());
  }
  return modules;
}

}  // namespace

void look_before_suspension(Portal* self) {
  Ref modules = calling_modules();
  if (!modules) return PyErr_Clear();
  tell(self, "before_suspension", self->object(), modules.get());
}

void look_at_suspension(Portal* self) { tell(self, "after_suspension", self->object()); }

}  // namespace switchback::portal
