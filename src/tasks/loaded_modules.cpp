// Looking into sys.modules, at modules that may be in the middle of their import.
#include "tasks/loaded_modules.hpp"

namespace switchback::tasks {
namespace {

// Whether the import of `module` is under way, as the import system itself notes it
// (_PyModuleSpec_IsInitializing() in Objects/moduleobject.c).
bool is_being_imported(PyObject* module) {
  Ref spec = Ref::steal(PyObject_GetAttrString(module, "__spec__"));
  Ref initializing = spec ? Ref::steal(PyObject_GetAttrString(spec.get(), "_initializing")) : Ref();
  const int truth = initializing ? PyObject_IsTrue(initializing.get()) : 0;
  interpreter::clear_error_but_interrupts();
  return truth > 0;
}

}  // namespace

// Here, as everywhere that Python code may run, another search may come between.
Ref LoadedModules::attribute(PyObject* module_name, const char* attribute) {
  Ref modules = Ref::borrow(modules_.get());
  PyObject* found = module_name == nullptr || !modules
                        ? nullptr
                        : PyDict_GetItemWithError(modules.get(), module_name);
  Ref module = Ref::borrow(found);
  if (!module || module.get() == Py_None) {
    PyErr_Clear();
    return Ref();
  }
  Ref value = Ref::steal(PyObject_GetAttrString(module.get(), attribute));
  if (!value) {
    interpreter::clear_error_but_interrupts();
    if (is_being_imported(module.get())) looked_through_ = 0;
  }
  return value;
}

}  // namespace switchback::tasks
