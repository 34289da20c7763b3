// Reads the current task of asyncio, of Trio, and of frameworks that others have registered.
#include "portal/environment.hpp"

namespace switchback::portal {
namespace {

// sys.modules[name].attribute, or an empty reference; no import takes place.
Ref attribute_of_loaded(const char* module_name, const char* attribute) {
  PyObject* modules = PyImport_GetModuleDict();
  PyObject* module = modules == nullptr ? nullptr : PyDict_GetItemString(modules, module_name);
  if (module == nullptr) return Ref();
  Ref value = Ref::steal(PyObject_GetAttrString(module, attribute));
  if (!value) PyErr_Clear();  // the module is still being imported
  return value;
}

}  // namespace

// The same answer as asyncio.current_task(), without its exception where no loop runs. Where a
// loop runs but no task does, the loop stands for the callback that it is running.
PyObject* EnvironmentSource::asyncio() {
  if (!asyncio_current_tasks_) {
    asyncio_get_running_loop_ = attribute_of_loaded("asyncio.events", "_get_running_loop");
    if (!asyncio_get_running_loop_) return nullptr;
    asyncio_current_tasks_ = attribute_of_loaded("asyncio.tasks", "_current_tasks");
    if (!asyncio_current_tasks_) return nullptr;
  }
  Ref loop = Ref::steal(PyObject_CallNoArgs(asyncio_get_running_loop_.get()));
  if (!loop) {
    PyErr_Clear();
    return nullptr;
  }
  if (loop.get() == Py_None) return nullptr;
  PyObject* task = PyDict_GetItemWithError(asyncio_current_tasks_.get(), loop.get());
  if (task == nullptr) {
    PyErr_Clear();
    return loop.get();  // the loop keeps itself alive while it runs
  }
  return task;
}

// The same answer as trio.lowlevel.current_task(), without its exception outside of a run.
PyObject* EnvironmentSource::trio() {
  if (!trio_run_context_) {
    trio_run_context_ = attribute_of_loaded("trio._core._run", "GLOBAL_RUN_CONTEXT");
    if (!trio_run_context_) return nullptr;
  }
  static PyObject* const name = PyUnicode_InternFromString("task");
  if (name == nullptr) return nullptr;
  bool failed = false;
  Ref task = Ref::steal(interpreter::optional_attribute(trio_run_context_.get(), name, &failed));
  if (failed) PyErr_Clear();
  return task.get();  // Trio holds the running task
}

PyObject* EnvironmentSource::other(int index) {
  Ref task = Ref::steal(PyObject_CallNoArgs(others_[index].get()));
  if (!task) {
    PyErr_Clear();
    return nullptr;
  }
  return task.get() == Py_None ? nullptr : task.get();
}

int EnvironmentSource::add(PyObject* current_task) {
  if (count_ == Environment::most) {
    PyErr_SetString(PyExc_RuntimeError, "too many frameworks are registered");
    return -1;
  }
  others_[count_] = Ref::borrow(current_task);
  return count_++;
}

int EnvironmentSource::traverse(visitproc visit, void* arg) {
  Py_VISIT(asyncio_get_running_loop_.get());
  Py_VISIT(asyncio_current_tasks_.get());
  Py_VISIT(trio_run_context_.get());
  for (Ref& other : others_) Py_VISIT(other.get());
  return 0;
}

void EnvironmentSource::clear() {
  count_ = Environment::trio + 1;
  asyncio_get_running_loop_ = Ref();
  asyncio_current_tasks_ = Ref();
  trio_run_context_ = Ref();
  for (Ref& other : others_) other = Ref();
}

}  // namespace switchback::portal
