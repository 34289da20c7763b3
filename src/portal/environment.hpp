// Which tasks are current: the means to tell the innermost running task from any other.
#pragma once

#include "portal/ref.hpp"

namespace switchback::portal {

// The current task of every framework, as borrowed pointers that are compared and never followed.
struct Environment {
  static constexpr int asyncio = 0, trio = 1, most = 6;
  PyObject* current[most] = {};
};

// Asks each framework that the program has imported for its current task, and imports none.
// One object a module; used under the GIL.
class EnvironmentSource {
 public:
  // Fills in the current task of every framework, `except` (an index, or -1) excepted.
  // Never fails: a framework that raises counts as having no current task.
  void capture(Environment& environment, int except) {
    for (int i = 0; i < count_; ++i) {
      if (i != except) environment.current[i] = current(i);
    }
  }

  // Whether the same tasks are current as in `environment`. False means that other code of an
  // event loop runs in between: a loop inside the portal's code, an eager task, a callback.
  bool matches(const Environment& environment) {
    for (int i = 0; i < count_; ++i) {
      if (current(i) != environment.current[i]) return false;
    }
    return true;
  }

  // Adds a framework: `current_task()` returns its current task, or None. Returns its index, or
  // -1 with an exception set.
  int add(PyObject* current_task);

  int traverse(visitproc visit, void* arg);
  void clear();

 private:
  PyObject* current(int index) {
    if (index == Environment::asyncio) return asyncio();
    if (index == Environment::trio) return trio();
    return other(index);
  }
  PyObject* asyncio();
  PyObject* trio();
  PyObject* other(int index);

  int count_ = Environment::trio + 1;
  Ref asyncio_get_running_loop_;
  Ref asyncio_current_tasks_;
  Ref trio_run_context_;
  Ref others_[Environment::most];
};

}  // namespace switchback::portal
