// Looking for frameworks, and comparing all of their current tasks.
#include "tasks/current_tasks.hpp"

namespace switchback::tasks {

void CurrentTasks::find_frameworks() {
  RaisedScope raised;  // it may be the one that has ended a step
  modules_.note_looked_through();
  foreign::ThreadWords::look_again();  // modules of C as well
  if (!asyncio_.is_loaded()) asyncio_.find(modules_);
  if (!trio_.is_loaded()) trio_.find(modules_);
  if (!greenlet_.is_loaded()) greenlet_.find(modules_);
  decide_on_marks();
}

void CurrentTasks::decide_on_marks() {
  has_marks_ = interpreter::dicts_have_versions && asyncio_.is_marked() && trio_.is_marked() &&
               greenlet_.is_marked();
  for (const RegisteredTasks& registered : registered_) has_marks_ &= registered.is_marked();
}

bool CurrentTasks::is_current(const NotedTasks& noted, int index, PyThreadState* thread_state) {
  PyObject* const now = current(index, thread_state);
  if (now == noted.current[index]) {
    return index != NotedTasks::asyncio || asyncio_.loop_of_current(thread_state) == noted.loop;
  }
  return index == NotedTasks::greenlet &&
         (noted.in_any_greenlet || GreenletTasks::may_be(noted.current[index], now));
}

bool CurrentTasks::all_unchanged(const NotedTasks& noted, PyThreadState* thread_state) {
  for (int i = 0; i < NotedTasks::first_registered; ++i) {
    if (!is_current(noted, i, thread_state)) return false;
  }
  // One that was registered since has not been noted.
  for (int i = NotedTasks::first_registered; i < noted.count; ++i) {
    if (!is_current(noted, i, thread_state)) return false;
  }
  return true;
}

void CurrentTasks::note_left(NotedTasks& noted, PyThreadState* thread_state) {
  NotedTasks now = noted;
  note(now, -1, thread_state);
  for (int i = 0; i < NotedTasks::greenlet; ++i) {
    PyObject* const before = noted.current[i];
    if (now.current[i] != before && before != nullptr && before != left_[i]) return;
  }
  for (int i = 0; i < NotedTasks::greenlet; ++i) {
    if (now.current[i] == noted.current[i]) continue;
    noted.current[i] = left_[i] = now.current[i];
  }
  noted.loop = now.loop;
  noted.marks = now.marks;
}

int CurrentTasks::add(PyObject* current_task) {
  if (count_ == NotedTasks::most) {
    PyErr_SetString(PyExc_RuntimeError, "too many frameworks are registered");
    return -1;
  }
  const int index = count_++;
  registered(index).set(current_task);
  decide_on_marks();
  return index;
}

int CurrentTasks::traverse(visitproc visit, void* arg) {
  int stopped = modules_.traverse(visit, arg);
  if (stopped == 0) stopped = asyncio_.traverse(visit, arg);
  if (stopped == 0) stopped = trio_.traverse(visit, arg);
  if (stopped == 0) stopped = greenlet_.traverse(visit, arg);
  for (RegisteredTasks& registered : registered_) {
    if (stopped == 0) stopped = registered.traverse(visit, arg);
  }
  return stopped;
}

void CurrentTasks::clear() {
  count_ = NotedTasks::first_registered;
  has_marks_ = false;
  modules_.clear();
  asyncio_.clear();
  trio_.clear();
  greenlet_.clear();
  for (RegisteredTasks& registered : registered_) registered.clear();
}

}  // namespace switchback::tasks
