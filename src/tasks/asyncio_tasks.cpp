// Finding asyncio, its running loop and the task of that.
#include "tasks/asyncio_tasks.hpp"

#include <utility>

namespace switchback::tasks {

using interpreter::current_tasks_are_in_a_dict;

void AsyncioTasks::find(LoadedModules& modules) {
  static PyObject* const events = PyUnicode_InternFromString("asyncio.events");
  static PyObject* const tasks = PyUnicode_InternFromString("asyncio.tasks");
  Ref get_running_loop = modules.attribute(events, "_get_running_loop");
  if (!get_running_loop) return;
  Ref current_tasks =
      modules.attribute(tasks, current_tasks_are_in_a_dict ? "_current_tasks" : "current_task");
  if (!current_tasks || current_tasks_) return;
  get_running_loop_.set(std::move(get_running_loop));
  current_tasks_ = std::move(current_tasks);
  is_in_c_ = get_running_loop_.is_direct() &&
             (current_tasks_are_in_a_dict ? PyDict_CheckExact(current_tasks_.get())
                                          : PyCFunction_CheckExact(current_tasks_.get()));
}

// The same answer as asyncio._get_running_loop(), with nullptr for None. The loop keeps itself
// alive while it runs. Up to 3.12, asyncio notes it in the dict of the thread state
// (set_running_loop() in Modules/_asynciomodule.c), so it has to be asked for anew only where that
// has changed.
PyObject* AsyncioTasks::running_loop(PyThreadState* thread_state) {
  if (running_.known()) return running_.loop(thread_state);
  if (noted_.version != 0 && noted_.version == interpreter::version_of_dict(thread_state)) {
    return noted_.loop;
  }
  noted_.version = 0;
  Ref asked = get_running_loop_.ask();
  if (!asked) PyErr_Clear();
  PyObject* const loop = asked.get() == Py_None ? nullptr : asked.get();
  if (interpreter::RunningLoop::has_loop || !interpreter::dicts_have_versions || !is_in_c_) {
    return loop;
  }
  const Py_hash_t hash = loop != nullptr ? PyObject_Hash(loop) : 0;
  if (hash == -1) {
    PyErr_Clear();
  } else {
    noted_ = {interpreter::version_of_dict(thread_state), loop, hash};
  }
  return loop;
}

// The same answer as asyncio.current_task(), without its exception where no loop runs.
PyObject* AsyncioTasks::look_up(PyThreadState* thread_state) {
  PyObject* const loop = running_loop(thread_state);
  if (loop == nullptr) return nullptr;
  PyObject* const tasks = current_tasks_.get();
  PyObject* task;  // borrowed: asyncio holds the one that runs
  if (!current_tasks_are_in_a_dict) {
    task = Ref::steal(PyObject_CallOneArg(tasks, loop)).get();
  } else if (noted_.version != 0) {
    task = interpreter::item_by_hash(tasks, loop, noted_.hash);
  } else {
    task = PyDict_GetItemWithError(tasks, loop);
  }
  if (task == nullptr || task == Py_None) {
    PyErr_Clear();
    return loop;
  }
  if (is_in_c_ && !running_.known()) running_.learn(thread_state, loop, task);
  return task;
}

int AsyncioTasks::traverse(visitproc visit, void* arg) {
  Py_VISIT(get_running_loop_.function());
  Py_VISIT(current_tasks_.get());
  return 0;
}

void AsyncioTasks::clear() {
  noted_.version = 0;
  is_in_c_ = false;
  get_running_loop_.clear();
  current_tasks_ = Ref();
}

}  // namespace switchback::tasks
