// Finding Trio, and the task that it runs in this thread.
#include "tasks/trio_tasks.hpp"

#include <utility>

namespace switchback::tasks {

void TrioTasks::find(LoadedModules& modules) {
  static PyObject* const run = PyUnicode_InternFromString("trio._core._run");
  Ref run_context = modules.attribute(run, "GLOBAL_RUN_CONTEXT");
  if (run_context && !run_context_) run_context_ = std::move(run_context);
}

// vars(GLOBAL_RUN_CONTEXT) in this thread, borrowed. A look-up in it takes a tenth of the time of a
// look-up through the thread-local.
PyObject* TrioTasks::run_variables(PyThreadState* thread_state) {
  const std::uint64_t id = thread_state->id;
  if (!run_variables_ || id != thread_state_id_) {
    run_variables_ = Ref::steal(PyObject_GetAttrString(run_context_.get(), "__dict__"));
    thread_state_id_ = id;
    if (!run_variables_) PyErr_Clear();
  }
  return run_variables_.get();
}

// The same answer as trio.lowlevel.current_task(), without its exception outside of a run.
PyObject* TrioTasks::look_up(PyThreadState* thread_state) {
  static PyObject* const name = PyUnicode_InternFromString("task");
  PyObject* variables = run_variables(thread_state);
  if (variables == nullptr || name == nullptr) return nullptr;
  PyObject* task = PyDict_GetItemWithError(variables, name);
  if (task == nullptr) PyErr_Clear();
  return task;  // Trio holds the running task
}

int TrioTasks::traverse(visitproc visit, void* arg) {
  Py_VISIT(run_context_.get());
  Py_VISIT(run_variables_.get());
  return 0;
}

void TrioTasks::clear() {
  run_context_ = Ref();
  run_variables_ = Ref();
}

}  // namespace switchback::tasks
