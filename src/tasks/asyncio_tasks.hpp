// The current task of asyncio, on its own loops and on others that speak it.
#pragma once

#include <cstdint>

#include "interpreter/dict_version.hpp"
#include "interpreter/running_loop.hpp"
#include "tasks/framework.hpp"
#include "tasks/query.hpp"

namespace switchback::tasks {

// Where a loop runs but no task does, the loop stands for the callback that it is running.
class AsyncioTasks {
 public:
  // Of the running loop: the loop, or the version of the dict that it is in; and of the tasks: the
  // version of the dict that they are in.
  struct Mark {
    std::uint64_t loop = 0;  // 0 for none
    std::uint64_t tasks = 0;
    bool operator==(const Mark&) const = default;
  };

  void find(LoadedModules& modules);
  bool is_loaded() const { return static_cast<bool>(current_tasks_); }
  bool is_marked() const { return !is_loaded() || is_in_c_; }

  bool mark(PyThreadState* thread_state, Mark& now) const {
    now.loop = 1;
    if (!current_tasks_) return true;
    now.loop = mark_of_loop(thread_state);
    now.tasks = interpreter::version_of(current_tasks_.get());
    return true;
  }

  PyObject* current(PyThreadState* thread_state) {
    if (interpreter::RunningLoop::has_task && running_.known()) {
      // Where no loop runs, or where it is hidden, no task is current.
      PyObject* const loop = running_.loop(thread_state);
      if (loop == nullptr) return nullptr;
      PyObject* const task = running_.task(thread_state);
      return task != nullptr ? task : loop;
    }
    return current_tasks_ ? look_up(thread_state) : nullptr;
  }

  // The running loop, where a task is not that of its loop only: from 3.14 on, a loop that begins
  // to run inside of a task is answered with that task until it has one itself. nullptr elsewhere.
  PyObject* loop_of_current(PyThreadState* thread_state) {
    if (interpreter::current_tasks_are_in_a_dict || !current_tasks_) return nullptr;
    return running_loop(thread_state);
  }

  int traverse(visitproc visit, void* arg);
  void clear();

 private:
  std::uint64_t mark_of_loop(PyThreadState* thread_state) const {
    if (!interpreter::RunningLoop::has_loop) return interpreter::version_of_dict(thread_state);
    if (!running_.known()) return 0;
    return reinterpret_cast<std::uintptr_t>(running_.loop(thread_state)) + 1;
  }
  PyObject* look_up(PyThreadState* thread_state);
  PyObject* running_loop(PyThreadState* thread_state);

  // Otherwise, or where they are replaced, its functions may say other than what its state has.
  bool is_in_c_ = false;
  // Empty until the program has imported asyncio.
  Query get_running_loop_;
  Ref current_tasks_;  // the dict up to 3.13, else the function current_task()
  interpreter::RunningLoop running_;
  // Up to 3.12, the running loop (borrowed; nullptr for none) and its hash, as of a version of the
  // dict in which asyncio notes it.
  struct {
    std::uint64_t version = 0;
    PyObject* loop = nullptr;
    Py_hash_t hash = 0;
  } noted_;
};

static_assert(MarkedFramework<AsyncioTasks>);

}  // namespace switchback::tasks
