// The current task of Trio.
#pragma once

#include <cstdint>

#include "interpreter/dict_version.hpp"
#include "tasks/framework.hpp"

namespace switchback::tasks {

class TrioTasks {
 public:
  // The version of the dict in which Trio keeps what it runs in a thread.
  struct Mark {
    std::uint64_t run = 0;
    bool operator==(const Mark&) const = default;
  };

  void find(LoadedModules& modules);
  bool is_loaded() const { return static_cast<bool>(run_context_); }
  static bool is_marked() { return true; }

  bool mark(PyThreadState* thread_state, Mark& now) {
    if (!run_context_) return true;
    PyObject* const variables = run_variables(thread_state);
    if (variables == nullptr) return false;
    now.run = interpreter::version_of(variables);
    return true;
  }

  PyObject* current(PyThreadState* thread_state) {
    return run_context_ ? look_up(thread_state) : nullptr;
  }

  int traverse(visitproc visit, void* arg);
  void clear();

 private:
  PyObject* look_up(PyThreadState* thread_state);
  PyObject* run_variables(PyThreadState* thread_state);

  Ref run_context_;  // GLOBAL_RUN_CONTEXT; empty until the program has imported Trio
  // What that thread-local holds in the thread with that state.
  Ref run_variables_;
  std::uint64_t thread_state_id_ = 0;
};

static_assert(MarkedFramework<TrioTasks>);

}  // namespace switchback::tasks
