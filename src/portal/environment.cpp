// Reads the current task of asyncio, of Trio, and of frameworks that others have registered.
#include "portal/environment.hpp"

namespace switchback::portal {
namespace {

// An interned string, for look-ups on the hot path; nullptr if there is no memory for it.
PyObject* interned(const char* text) { return PyUnicode_InternFromString(text); }

// Whether the import of `module` is under way, as the import system itself notes it
// (_PyModuleSpec_IsInitializing() in Objects/moduleobject.c).
bool is_being_imported(PyObject* module) {
  Ref spec = Ref::steal(PyObject_GetAttrString(module, "__spec__"));
  Ref initializing = spec ? Ref::steal(PyObject_GetAttrString(spec.get(), "_initializing")) : Ref();
  const int truth = initializing ? PyObject_IsTrue(initializing.get()) : 0;
  interpreter::clear_error_but_interrupts();
  return truth > 0;
}

}  // namespace

void Query::set(Ref function) {
  PyObject* object = function.get();
  const bool is_direct = object != nullptr && PyCFunction_CheckExact(object) &&
                         PyCFunction_GET_FLAGS(object) == METH_NOARGS;
  direct_ = is_direct ? PyCFunction_GET_FUNCTION(object) : nullptr;
  self_ = is_direct ? PyCFunction_GET_SELF(object) : nullptr;
  function_ = std::move(function);
}

// Here, as everywhere that Python code may run, another search may come between.
Ref EnvironmentSource::attribute_of_loaded(PyObject* module_name, const char* attribute) {
  Ref modules = Ref::borrow(modules_.get());
  PyObject* found = module_name == nullptr || !modules
                        ? nullptr
                        : PyDict_GetItemWithError(modules.get(), module_name);
  Ref module = Ref::borrow(found);
  if (!module || module.get() == Py_None) {
    PyErr_Clear();
    return Ref();
  }
  Ref value = Ref::steal(PyObject_GetAttrString(module.get(), attribute));
  if (!value) {
    interpreter::clear_error_but_interrupts();
    if (is_being_imported(module.get())) looked_through_ = 0;
  }
  return value;
}

void EnvironmentSource::find_frameworks() {
  RaisedScope raised;  // it may be the one that has ended a step
  looked_through_ = state_of_modules();
  if (!asyncio_current_tasks_) find_asyncio();
  if (!trio_run_context_) find_trio();
  if (!greenlet_getcurrent_) find_greenlet();
  decide_on_marks();
}

void EnvironmentSource::decide_on_marks() {
  PyObject* const tasks = asyncio_current_tasks_.get();
  is_asyncio_in_c_ = tasks != nullptr && asyncio_get_running_loop_.is_direct() &&
                     (interpreter::asyncio_current_tasks_is_a_dict ? PyDict_CheckExact(tasks)
                                                                   : PyCFunction_CheckExact(tasks));
  has_marks_ = interpreter::dicts_have_versions && (tasks == nullptr || is_asyncio_in_c_) &&
               !greenlet_getcurrent_ && count_ == Environment::first_other;
}

bool EnvironmentSource::matches_by_tasks(const Environment& environment, PyThreadState* thread) {
  if (!is_current(environment, Environment::asyncio, thread)) return false;
  if (!is_current(environment, Environment::trio, thread)) return false;
  if (!is_current(environment, Environment::greenlet, thread)) return false;
  for (int i = Environment::first_other; i < environment.count; ++i) {
    if (!is_current(environment, i, thread)) return false;
  }
  return true;
}

void EnvironmentSource::find_asyncio() {
  static PyObject* const events = interned("asyncio.events");
  static PyObject* const tasks = interned("asyncio.tasks");
  Ref get_running_loop = attribute_of_loaded(events, "_get_running_loop");
  if (!get_running_loop) return;
  Ref current_tasks = attribute_of_loaded(
      tasks, interpreter::asyncio_current_tasks_is_a_dict ? "_current_tasks" : "current_task");
  if (!current_tasks || asyncio_current_tasks_) return;
  asyncio_get_running_loop_.set(std::move(get_running_loop));
  asyncio_current_tasks_ = std::move(current_tasks);
}

void EnvironmentSource::find_trio() {
  static PyObject* const run = interned("trio._core._run");
  Ref run_context = attribute_of_loaded(run, "GLOBAL_RUN_CONTEXT");
  if (run_context && !trio_run_context_) trio_run_context_ = std::move(run_context);
}

void EnvironmentSource::find_greenlet() {
  static PyObject* const name = interned("greenlet");
  Ref getcurrent = attribute_of_loaded(name, "getcurrent");
  if (getcurrent && !greenlet_getcurrent_) greenlet_getcurrent_.set(std::move(getcurrent));
}

// The same answer as asyncio._get_running_loop(), with nullptr for None. The loop keeps itself
// alive while it runs. Up to 3.12, asyncio notes it in the dict of the thread state
// (set_running_loop() in Modules/_asynciomodule.c), so it has to be asked for anew only where that
// has changed.
PyObject* EnvironmentSource::asyncio_running_loop(PyThreadState* thread) {
  if (asyncio_state_.known()) return asyncio_state_.loop(thread);
  if (noted_.version != 0 && noted_.version == interpreter::version_of_dict(thread)) {
    return noted_.loop;
  }
  noted_.version = 0;
  Ref asked = asyncio_get_running_loop_.ask();
  if (!asked) PyErr_Clear();
  PyObject* const loop = asked.get() == Py_None ? nullptr : asked.get();
  if (interpreter::AsyncioState::has_loop || !has_marks_) return loop;
  const Py_hash_t hash = loop != nullptr ? PyObject_Hash(loop) : 0;
  if (hash == -1) {
    PyErr_Clear();
  } else {
    noted_ = {interpreter::version_of_dict(thread), loop, hash};
  }
  return loop;
}

// The same answer as asyncio.current_task(), without its exception where no loop runs. Where a
// loop runs but no task does, the loop stands for the callback that it is running.
PyObject* EnvironmentSource::asyncio(PyThreadState* thread) {
  PyObject* const loop = asyncio_running_loop(thread);
  if (loop == nullptr) return nullptr;
  PyObject* const tasks = asyncio_current_tasks_.get();
  PyObject* task;  // borrowed: asyncio holds the one that runs
  if (!interpreter::asyncio_current_tasks_is_a_dict) {
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
  if (is_asyncio_in_c_ && !asyncio_state_.known()) asyncio_state_.learn(thread, loop, task);
  return task;
}

// vars(GLOBAL_RUN_CONTEXT) in this thread, borrowed. A look-up in it takes a tenth of the time of a
// look-up through the thread-local.
PyObject* EnvironmentSource::trio_run_dict(PyThreadState* thread) {
  const std::uint64_t id = thread->id;
  if (!trio_run_dict_ || id != trio_thread_state_id_) {
    trio_run_dict_ = Ref::steal(PyObject_GetAttrString(trio_run_context_.get(), "__dict__"));
    trio_thread_state_id_ = id;
    if (!trio_run_dict_) PyErr_Clear();
  }
  return trio_run_dict_.get();
}

// The same answer as trio.lowlevel.current_task(), without its exception outside of a run.
PyObject* EnvironmentSource::trio(PyThreadState* thread) {
  static PyObject* const name = interned("task");
  PyObject* variables = trio_run_dict(thread);
  if (variables == nullptr || name == nullptr) return nullptr;
  PyObject* task = PyDict_GetItemWithError(variables, name);
  if (task == nullptr) PyErr_Clear();
  return task;  // Trio holds the running task
}

// greenlet.getcurrent(). Greenlets share a C stack by copying parts of it, and switch without our
// knowing: what is suspended in one must not be resumed while another is in its place.
PyObject* EnvironmentSource::greenlet() {
  Ref current = greenlet_getcurrent_.ask();
  if (!current) PyErr_Clear();
  return current.get();  // greenlet holds the running one
}

// Where the current greenlet is `now`, and not the noted one: whether it may be.
bool EnvironmentSource::is_same_greenlet(const Environment& environment, PyObject* now) {
  if (environment.any_greenlet) return true;
  if (environment.current[Environment::greenlet] != nullptr) return false;
  // The main greenlet is where every thread was before the program imported greenlet.
  Ref parent = Ref::steal(PyObject_GetAttrString(now, "parent"));
  if (!parent) PyErr_Clear();
  return parent.get() == Py_None;
}

PyObject* EnvironmentSource::other(int index) {
  Ref task = Ref::steal(PyObject_CallNoArgs(others_[index].get()));
  if (!task) {
    interpreter::clear_error_but_interrupts();
    return nullptr;
  }
  return task.get() == Py_None ? nullptr : task.get();
}

int EnvironmentSource::add(PyObject* current_task) {
  if (count_ == Environment::most) {
    PyErr_SetString(PyExc_RuntimeError, "too many frameworks are registered");
    return -1;
  }
  others_[count_] = Ref::borrow(current_task);
  const int index = count_++;
  decide_on_marks();
  return index;
}

int EnvironmentSource::traverse(visitproc visit, void* arg) {
  Py_VISIT(modules_.get());
  Py_VISIT(asyncio_get_running_loop_.function());
  Py_VISIT(asyncio_current_tasks_.get());
  Py_VISIT(trio_run_context_.get());
  Py_VISIT(trio_run_dict_.get());
  Py_VISIT(greenlet_getcurrent_.function());
  for (Ref& other : others_) Py_VISIT(other.get());
  return 0;
}

void EnvironmentSource::clear() {
  count_ = Environment::first_other;
  has_marks_ = false;
  noted_.version = 0;
  modules_ = Ref();
  asyncio_get_running_loop_.clear();
  asyncio_current_tasks_ = Ref();
  trio_run_context_ = Ref();
  trio_run_dict_ = Ref();
  greenlet_getcurrent_.clear();
  for (Ref& other : others_) other = Ref();
}

}  // namespace switchback::portal
