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

// A function of a framework's that takes no arguments, called by the shortest way where it is
// written in C.
class Query {
 public:
  void set(Ref function);
  void clear() { set(Ref()); }
  explicit operator bool() const { return static_cast<bool>(function_); }
  PyObject* function() const { return function_.get(); }

  // An empty reference with an exception set on failure.
  Ref ask() const {
    return Ref::steal(direct_ != nullptr ? direct_(self_, nullptr)
                                         : PyObject_CallNoArgs(function_.get()));
  }

 private:
  Ref function_;
  PyCFunction direct_ = nullptr;  // of the function, or nullptr
  PyObject* self_ = nullptr;      // borrowed from the function
};

// Asks each framework that the program has imported for its current task, and imports none.
// One object a module; used under the GIL.
class EnvironmentSource {
 public:
  // Once, when the module is made.
  void start() { modules_ = Ref::borrow(PyImport_GetModuleDict()); }

  // Looks once more for frameworks that the program has imported, where sys.modules may have as
  // many entries as the last time, and others.
  void look_again() { modules_looked_through_ = -1; }

  // Fills in the current task of every framework, `except` (an index, or -1) excepted.
  // Never fails: a framework that raises counts as having no current task.
  void capture(Environment& environment, int except) {
    look_for_frameworks();
    environment.count = count_;
    const auto note = [&](int index) {
      if (index != except) environment.current[index] = current(index);
    };
    note(Environment::asyncio);
    note(Environment::trio);
    note(Environment::greenlet);
    for (int i = Environment::first_other; i < count_; ++i) note(i);
  }

  // Whether the same tasks are current as in `environment`. False means that other code of an
  // event loop runs in between: a loop inside the portal's code, an eager task, a callback.
  bool matches(const Environment& environment) {
    look_for_frameworks();
    if (!is_current(environment, Environment::asyncio)) return false;
    if (!is_current(environment, Environment::trio)) return false;
    if (!is_current(environment, Environment::greenlet)) return false;
    for (int i = Environment::first_other; i < environment.count; ++i) {
      if (!is_current(environment, i)) return false;
    }
    return true;
  }

  // The same for one framework.
  bool matches(const Environment& environment, int index) {
    look_for_frameworks();
    return is_current(environment, index);
  }

  int count() const { return count_; }

  // Whether the program has imported greenlet.
  bool greenlet_loaded() {
    look_for_frameworks();
    return static_cast<bool>(greenlet_getcurrent_);
  }

  // Adds a framework: `current_task()` returns its current task, or None. Returns its index, or
  // -1 with an exception set.
  int add(PyObject* current_task);

  int traverse(visitproc visit, void* arg);
  void clear();

 private:
  // Most programs never import most of the frameworks, and an import mostly adds to sys.modules.
  // May run Python code, of a module that is looked at.
  void look_for_frameworks() {
    if (modules_ && PyDict_GET_SIZE(modules_.get()) != modules_looked_through_) {
      find_frameworks();
    }
  }
  void find_frameworks();
  void find_asyncio();
  void find_trio();
  void find_greenlet();
  // sys.modules[module_name].attribute, or an empty reference, without an exception; no import
  // takes place.
  Ref attribute_of_loaded(PyObject* module_name, const char* attribute);

  PyObject* current(int index) {
    if (index == Environment::asyncio) return asyncio_current_tasks_ ? asyncio() : nullptr;
    if (index == Environment::trio) return trio_run_context_ ? trio() : nullptr;
    if (index == Environment::greenlet) return greenlet_getcurrent_ ? greenlet() : nullptr;
    return other(index);
  }
  bool is_current(const Environment& environment, int index) {
    PyObject* now = current(index);
    if (now == environment.current[index]) return true;
    return index == Environment::greenlet && is_same_greenlet(environment, now);
  }
  PyObject* asyncio();
  PyObject* asyncio_running_loop();
  PyObject* asyncio_noted_loop();
  PyObject* trio();
  PyObject* greenlet();
  static bool is_same_greenlet(const Environment& environment, PyObject* now);
  PyObject* other(int index);
  PyObject* trio_run_dict();

  int count_ = Environment::first_other;
  Ref modules_;  // sys.modules
  // How many entries that had when they were last looked through; -1: look again.
  Py_ssize_t modules_looked_through_ = -1;
  // Empty until the program has imported the framework.
  Query asyncio_get_running_loop_;
  Query greenlet_getcurrent_;
  Ref asyncio_current_tasks_;
  Ref trio_run_context_;
  // What the thread-local trio_run_context_ holds in the thread with that state.
  Ref trio_run_dict_;
  std::uint64_t trio_thread_state_id_ = 0;
  // The type of asyncio's note, in the thread state's dict, of the loop that runs, and where an
  // object of that type holds the loop; 0 until that is found.
  PyTypeObject* asyncio_note_type_ = nullptr;
  Py_ssize_t asyncio_note_offset_ = 0;
  Ref others_[Environment::most];
};

}  // namespace switchback::portal
