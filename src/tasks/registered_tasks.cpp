// Asking a framework that the program has registered.
#include "tasks/registered_tasks.hpp"

namespace switchback::tasks {

PyObject* RegisteredTasks::current(PyThreadState*) const {
  Ref task = Ref::steal(PyObject_CallNoArgs(current_task_.get()));
  if (!task) {
    interpreter::clear_error_but_interrupts();
    return nullptr;
  }
  return task.get() == Py_None ? nullptr : task.get();
}

}  // namespace switchback::tasks
