// Which tasks are current: the means to tell the innermost running task from any other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "foreign/thread_words.hpp"
#include "tasks/asyncio_tasks.hpp"
#include "tasks/greenlet_tasks.hpp"
#include "tasks/registered_tasks.hpp"
#include "tasks/trio_tasks.hpp"

namespace switchback::tasks {

// What changes whenever a current task does, so that to find that none has takes no look-up.
struct Marks {
  AsyncioTasks::Mark asyncio;
  TrioTasks::Mark trio;

  // Never where nothing could be told.
  bool same_as(const Marks& other) const {
    return asyncio.loop != 0 && asyncio == other.asyncio && trio == other.trio;
  }
};

// The current task of every framework at some moment, as borrowed pointers that are compared and
// never followed.
struct NotedTasks {
  static constexpr int asyncio = 0, trio = 1, greenlet = 2, first_registered = 3, most = 6;
  PyObject* current[most] = {};
  PyObject* loop = nullptr;  // of asyncio, where its task does not tell that
  Marks marks;
  // Whether any greenlet will do, as where the step that noted them runs in one itself.
  bool in_any_greenlet = false;
  std::int8_t count = 0;  // of the frameworks that were known
};

// Asks each framework that the program has imported for its current task, and imports none.
// One object a module; used under the GIL.
class CurrentTasks {
 public:
  // Once, when the module is made.
  void start() { modules_.start(); }

  // Looks once more for frameworks that the program has imported, where that may not be noticed.
  // The next question does so.
  void look_again() {
    modules_.look_again();
    foreign::ThreadWords::look_again();
  }

  // Notes the current task of every framework, `except` (an index, or -1) excepted.
  void note(NotedTasks& noted, int except, PyThreadState* thread_state) {
    look_for_frameworks();
    noted.count = static_cast<std::int8_t>(count_);
    if (except != NotedTasks::asyncio) {
      noted.current[NotedTasks::asyncio] = asyncio_.current(thread_state);
    }
    if (except != NotedTasks::trio) noted.current[NotedTasks::trio] = trio_.current(thread_state);
    noted.loop = asyncio_.loop_of_current(thread_state);
    noted.marks = marks(thread_state);
    if (has_marks_) return;  // there are no others
    noted.current[NotedTasks::greenlet] = greenlet_.current(thread_state);
    for (int i = NotedTasks::first_registered; i < count_; ++i) {
      if (i != except) noted.current[i] = current(i, thread_state);
    }
  }

  // After other code of the thread has run on behalf of a step whose task was the innermost: notes
  // the loop that this has left running where none ran, as greenlets do that wait in a loop of
  // their own, and that none runs once it has ended. Whatever else has changed stays noticed.
  void note_left(NotedTasks& noted, PyThreadState* thread_state);

  // Whether the innermost task is still the one that it was: whether all frameworks have the task
  // that was noted. Otherwise other code of an event loop runs in between: a loop inside the
  // portal's code, an eager task, a callback.
  bool is_innermost(const NotedTasks& noted, PyThreadState* thread_state) {
    look_for_frameworks();
    return marks(thread_state).same_as(noted.marks) || all_unchanged(noted, thread_state);
  }

  // Whether one framework has the task that was noted.
  bool is_unchanged(const NotedTasks& noted, int index, PyThreadState* thread_state) {
    look_for_frameworks();
    return is_current(noted, index, thread_state);
  }

  int count() const { return count_; }

  // Whether the program has imported a greenlet that is not taken over.
  bool greenlet_untaken() {
    look_for_frameworks();
    return greenlet_.is_loaded();
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
    if (modules_.changed()) find_frameworks();
  }
  void find_frameworks();

  void decide_on_marks();
  Marks marks(PyThreadState* thread_state) {
    Marks now;
    if (!interpreter::dicts_have_versions || !has_marks_) return now;
    if (asyncio_.mark(thread_state, now.asyncio) && trio_.mark(thread_state, now.trio)) return now;
    return Marks{};
  }

  PyObject* current(int index, PyThreadState* thread_state) {
    if (index == NotedTasks::asyncio) return asyncio_.current(thread_state);
    if (index == NotedTasks::trio) return trio_.current(thread_state);
    if (index == NotedTasks::greenlet) return greenlet_.current(thread_state);
    return registered(index).current(thread_state);
  }
  bool is_current(const NotedTasks& noted, int index, PyThreadState* thread_state);
  bool all_unchanged(const NotedTasks& noted, PyThreadState* thread_state);
  RegisteredTasks& registered(int index) {
    return registered_[static_cast<std::size_t>(index - NotedTasks::first_registered)];
  }

  LoadedModules modules_;
  int count_ = NotedTasks::first_registered;
  PyObject* left_[NotedTasks::greenlet] = {};  // what note_left() has found, compared only
  bool has_marks_ = false;                     // whether these tell of every framework
  AsyncioTasks asyncio_;
  TrioTasks trio_;
  GreenletTasks greenlet_;
  std::array<RegisteredTasks, NotedTasks::most - NotedTasks::first_registered> registered_;
};

}  // namespace switchback::tasks
