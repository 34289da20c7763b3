// The current task of a framework that the program has registered.
#pragma once

#include "tasks/framework.hpp"

namespace switchback::tasks {

class RegisteredTasks {
 public:
  // `current_task` (borrowed) returns the framework's current task, or None.
  void set(PyObject* current_task) { current_task_ = Ref::borrow(current_task); }

  static void find(LoadedModules&) {}
  bool is_loaded() const { return static_cast<bool>(current_task_); }
  bool is_marked() const { return !is_loaded(); }
  PyObject* current(PyThreadState*) const;

  int traverse(visitproc visit, void* arg) {
    Py_VISIT(current_task_.get());
    return 0;
  }
  void clear() { current_task_ = Ref(); }

 private:
  Ref current_task_;
};

static_assert(Framework<RegisteredTasks>);

}  // namespace switchback::tasks
