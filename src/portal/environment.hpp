// Which tasks are current: the means to tell the innermost running task from any other.
#pragma once

#include <cstdint>

#include "portal/ref.hpp"

namespace switchback::portal {

// The current task of every framework, and the current greenlet, as borrowed pointers that are
// compared and never followed.
struct Environment {
  static constexpr int asyncio = 0, trio = 1, greenlet = 2, first_other = 3, most = 6;
  PyObject* current[most] = {};
  int count = 0;  // of the frameworks that were known
  // Whether await_() works in greenlets that the step has started as well.
  bool any_greenlet = false;
};

// Asks each framework that the program has imported for its current task, and imports none.
// One object a module; used under the GIL.
class EnvironmentSource {
 public:
  // Fills in the current task of every framework, `except` (an index, or -1) excepted.
  // Never fails: a framework that raises counts as having no current task.
  void capture(Environment& environment, int except) {
    environment.count = count_;
    for (int i = 0; i < count_; ++i) {
      if (i != except) environment.current[i] = current(i);
    }
  }

  // Whether the same tasks are current as in `environment`. False means that other code of an
  // event loop runs in between: a loop inside the portal's code, an eager task, a callback.
  bool matches(const Environment& environment) {
    for (int i = 0; i < environment.count; ++i) {
      if (!matches(environment, i)) return false;
    }
    return true;
  }

  // The same for one framework.
  bool matches(const Environment& environment, int index) {
    PyObject* now = current(index);
    if (now == environment.current[index]) return true;
    if (index == Environment::greenlet && environment.any_greenlet) return true;
    return index == Environment::greenlet && environment.current[index] == nullptr &&
           is_main_greenlet(now);
  }

  int count() const { return count_; }

  // Whether the program has imported greenlet.
  bool greenlet_loaded() { return find_greenlet(); }

  // Adds a framework: `current_task()` returns its current task, or None. Returns its index, or
  // -1 with an exception set.
  int add(PyObject* current_task);

  int traverse(visitproc visit, void* arg);
  void clear();

 private:
  PyObject* current(int index) {
    if (index == Environment::asyncio) return asyncio();
    if (index == Environment::trio) return trio();
    if (index == Environment::greenlet) return greenlet();
    return other(index);
  }
  PyObject* asyncio();
  PyObject* asyncio_running_loop();
  PyObject* asyncio_noted_loop();
  PyObject* trio();
  PyObject* greenlet();
  // Whether it is the one that a thread begins with: where every thread was before the program
  // imported greenlet.
  static bool is_main_greenlet(PyObject* greenlet);
  PyObject* other(int index);
  bool find_asyncio();
  bool find_trio();
  bool find_greenlet();
  PyObject* trio_run_dict();

  int count_ = Environment::first_other;
  // Empty until the program has imported the framework.
  Ref asyncio_get_running_loop_;
  Ref greenlet_getcurrent_;
  Ref asyncio_current_tasks_;
  Ref trio_run_context_;
  // What the thread-local trio_run_context_ holds in the thread with that state.
  Ref trio_run_dict_;
  std::uint64_t trio_thread_state_id_ = 0;
  // sys.modules had this many entries when each was last looked for in vain.
  Py_ssize_t modules_without_trio_ = -1;
  Py_ssize_t modules_without_greenlet_ = -1;
  // The type of asyncio's note, in the thread state's dict, of the loop that runs, and where an
  // object of that type holds the loop; 0 until that is found.
  PyTypeObject* asyncio_note_type_ = nullptr;
  Py_ssize_t asyncio_note_offset_ = 0;
  Ref others_[Environment::most];
};

}  // namespace switchback::portal
