// The current greenlet, where it has to count as a task.
#pragma once

#include "tasks/framework.hpp"
#include "tasks/query.hpp"

namespace switchback::tasks {

// Greenlets share a C stack by copying parts of it. Where greenlet has not been taken over, they
// switch without our knowing: what is suspended in one must not be resumed while another is in its
// place. Elsewhere it makes no difference which greenlet runs, and this counts as not loaded.
class GreenletTasks {
 public:
  void find(LoadedModules& modules);
  bool is_loaded() const { return static_cast<bool>(getcurrent_); }
  bool is_marked() const { return !is_loaded(); }
  PyObject* current(PyThreadState*) { return getcurrent_ ? look_up() : nullptr; }

  // Where the current greenlet is `now`, and not the one that was `noted`: whether it may be.
  static bool may_be(PyObject* noted, PyObject* now);

  int traverse(visitproc visit, void* arg);
  void clear() { getcurrent_.clear(); }

 private:
  PyObject* look_up() const;

  Query getcurrent_;  // empty until the program has imported a greenlet that is not taken over
};

static_assert(Framework<GreenletTasks>);

}  // namespace switchback::tasks
