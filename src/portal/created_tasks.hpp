// Portals for tasks as they are created: a coroutine is put into one before its task is made.
#pragma once

#include "foreign/array.hpp"
#include "interpreter/ref.hpp"

namespace switchback::portal {

using interpreter::Ref;
struct ModuleState;

// Which tasks get a portal. One object a module; used under the GIL.
struct CreatedTasks {
  int framework = -1;  // the index of the one whose tasks are looked at
  // Functions of that framework's: whether an object is a coroutine, and the running loop or None.
  Ref is_coroutine;
  Ref running_loop;
  // The context variable of the trees that code is in: a list of a loop, or None once the tree has
  // ended, and of such a list for the tree around it, or None.
  Ref tree;
  // The context variable of what has a method add() to be told of each task, or None.
  Ref scope;
  // By their addresses, the loops all of whose tasks get one. They are compared, never followed.
  foreign::Array<PyObject*> loops;
  int open_trees = 0;
  bool has_scopes = false;

  bool any() const { return !loops.empty() || open_trees > 0 || has_scopes; }

  int traverse(visitproc visit, void* arg);
  // Puts a type that is still changed back as it was.
  void clear();
};

// What Python calls; functions.cpp has their docstrings.
PyObject* set_created_tasks(PyObject* module, PyObject* args);
PyObject* give_portals(PyObject* module, PyObject* args);
PyObject* hook_task_type(PyObject* module, PyObject* type);
PyObject* unhook_task_type(PyObject* module, PyObject*);
PyObject* put_task_in_portal(PyObject* module, PyObject* const* arguments, Py_ssize_t count);
PyObject* mark_of(PyObject* module, PyObject* object);
PyObject* in_portal_if_wanted(PyObject* module, PyObject* const* arguments, Py_ssize_t count);

}  // namespace switchback::portal
