// Which tasks are current: the means to tell the innermost running task from any other.
#pragma once

#include <cstdint>

#include "interpreter/asyncio_state.hpp"
#include "interpreter/dict_version.hpp"
#include "portal/ref.hpp"

namespace switchback::portal {

// What changes whenever a current task does, so that to find that none has takes no look-up: the
// versions of the dicts in which asyncio and Trio keep them. All zero where that is not known.
struct Marks {
  // Of asyncio's running loop: the loop, or the version of the dict that it is in.
  std::uint64_t asyncio_loop = 0;
  std::uint64_t asyncio_tasks = 0;
  std::uint64_t trio_run = 0;

  bool same_as(const Marks& other) const {
    return asyncio_loop != 0 && asyncio_loop == other.asyncio_loop &&
           asyncio_tasks == other.asyncio_tasks && trio_run == other.trio_run;
  }
};

// The current task of every framework, and the current greenlet, as borrowed pointers that are
// compared and never followed.
struct Environment {
  static constexpr int asyncio = 0, trio = 1, greenlet = 2, first_other = 3, most = 6;
  PyObject* current[most] = {};
  Marks marks;
  // Whether await_() works in greenlets that the step has started as well.
  bool any_greenlet = false;
  std::int8_t count = 0;  // of the frameworks that were known
};

// A function of a framework's that takes no arguments, called by the shortest way where it is
// written in C.
class Query {
 public:
  void set(Ref function);
  void clear() { set(Ref()); }
  explicit operator bool() const { return static_cast<bool>(function_); }
  PyObject* function() const { return function_.get(); }
  bool is_direct() const { return direct_ != nullptr; }

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

  // Looks once more for frameworks that the program has imported, where sys.modules may have
  // changed without our being told. The next question does so.
  void look_again() {
    if (!interpreter::dicts_have_versions) looked_through_ = 0;
  }

  // Fills in the current task of every framework, `except` (an index, or -1) excepted.
  // Never fails: a framework that raises counts as having no current task.
  void capture(Environment& environment, int except, PyThreadState* thread) {
    look_for_frameworks();
    environment.count = static_cast<std::int8_t>(count_);
    const auto note = [&](int index) {
      if (index != except) environment.current[index] = current(index, thread);
    };
    note(Environment::asyncio);
    note(Environment::trio);
    environment.marks = marks(thread);
    if (has_marks_) return;  // there are no others
    note(Environment::greenlet);
    for (int i = Environment::first_other; i < count_; ++i) note(i);
  }

  // Whether the same tasks are current as in `environment`. False means that other code of an
  // event loop runs in between: a loop inside the portal's code, an eager task, a callback.
  bool matches(const Environment& environment, PyThreadState* thread) {
    look_for_frameworks();
    return marks(thread).same_as(environment.marks) || matches_by_tasks(environment, thread);
  }

  // The same for one framework.
  bool matches(const Environment& environment, int index, PyThreadState* thread) {
    look_for_frameworks();
    return is_current(environment, index, thread);
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
  // Most programs never import most of the frameworks. May run Python code, of a module that is
  // looked at.
  void look_for_frameworks() {
    if (modules_ && state_of_modules() != looked_through_) find_frameworks();
  }
  // Differs from before when sys.modules has changed; without versions, only mostly: an import adds
  // to it. Never 0.
  std::uint64_t state_of_modules() const {
    if (interpreter::dicts_have_versions) return interpreter::version_of(modules_.get());
    return static_cast<std::uint64_t>(PyDict_GET_SIZE(modules_.get())) + 1;
  }
  void find_frameworks();
  void find_asyncio();
  void find_trio();
  void find_greenlet();
  // sys.modules[module_name].attribute, or an empty reference, without an exception; no import
  // takes place.
  Ref attribute_of_loaded(PyObject* module_name, const char* attribute);

  // Whether there may be marks: they tell what asyncio's C functions and Trio do, but not of
  // greenlet, nor of frameworks that others have registered.
  void decide_on_marks();
  Marks marks(PyThreadState* thread) {
    if (!interpreter::dicts_have_versions || !has_marks_) return Marks{};
    Marks now;
    now.asyncio_loop = 1;
    if (asyncio_current_tasks_) {
      now.asyncio_loop = mark_of_loop(thread);
      now.asyncio_tasks = interpreter::version_of(asyncio_current_tasks_.get());
    }
    if (trio_run_context_) {
      PyObject* const variables = trio_run_dict(thread);
      if (variables == nullptr) return Marks{};
      now.trio_run = interpreter::version_of(variables);
    }
    return now;
  }
  std::uint64_t mark_of_loop(PyThreadState* thread) const {
    if (!interpreter::AsyncioState::has_loop) return interpreter::version_of_dict(thread);
    if (!asyncio_state_.known()) return 0;
    return reinterpret_cast<std::uintptr_t>(asyncio_state_.loop(thread)) + 1;
  }
  bool matches_by_tasks(const Environment& environment, PyThreadState* thread);

  PyObject* current(int index, PyThreadState* thread) {
    if (index == Environment::asyncio) {
      if (interpreter::AsyncioState::has_task && asyncio_state_.known()) {
        PyObject* const task = asyncio_state_.task(thread);
        return task != nullptr ? task : asyncio_state_.loop(thread);
      }
      return asyncio_current_tasks_ ? asyncio(thread) : nullptr;
    }
    if (index == Environment::trio) return trio_run_context_ ? trio(thread) : nullptr;
    if (index == Environment::greenlet) return greenlet_getcurrent_ ? greenlet() : nullptr;
    return other(index);
  }
  bool is_current(const Environment& environment, int index, PyThreadState* thread) {
    PyObject* now = current(index, thread);
    if (now == environment.current[index]) return true;
    return index == Environment::greenlet && is_same_greenlet(environment, now);
  }
  PyObject* asyncio(PyThreadState* thread);
  PyObject* asyncio_running_loop(PyThreadState* thread);
  PyObject* trio(PyThreadState* thread);
  PyObject* greenlet();
  static bool is_same_greenlet(const Environment& environment, PyObject* now);
  PyObject* other(int index);
  PyObject* trio_run_dict(PyThreadState* thread);

  int count_ = Environment::first_other;
  bool has_marks_ = false;
  // Otherwise, or where they are replaced, its functions may say other than what its state has.
  bool is_asyncio_in_c_ = false;
  Ref modules_;                       // sys.modules
  std::uint64_t looked_through_ = 0;  // its state when that was done last; 0: look again
  // Empty until the program has imported the framework.
  Query asyncio_get_running_loop_;
  Query greenlet_getcurrent_;
  Ref asyncio_current_tasks_;  // the dict up to 3.13, else the function current_task()
  interpreter::AsyncioState asyncio_state_;
  Ref trio_run_context_;
  // What the thread-local trio_run_context_ holds in the thread with that state.
  Ref trio_run_dict_;
  std::uint64_t trio_thread_state_id_ = 0;
  // Up to 3.12, asyncio's running loop (borrowed; nullptr for none) and its hash, as of a version
  // of the dict in which asyncio notes it.
  struct {
    std::uint64_t version = 0;
    PyObject* loop = nullptr;
    Py_hash_t hash = 0;
  } noted_;
  Ref others_[Environment::most];
};

}  // namespace switchback::portal
