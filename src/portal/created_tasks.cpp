// Looking at each task as its type initializes it: tp_init is where all ways to make one meet.
//
// A task type that is written in C cannot be changed from Python, and a task factory misses tasks
// that are made by hand. So the slot is replaced, in the type and in the subclasses that have
// inherited it, and in the descriptor by which all others call it. What is not as expected is
// refused, with nothing changed.
#include "portal/created_tasks.hpp"

#include <type_traits>
#include <utility>

#include "portal/portal.hpp"

namespace switchback::portal {
namespace {

// The type that is changed, if one is.
struct Hook {
  PyTypeObject* type = nullptr;                // owned
  PyWrapperDescrObject* descriptor = nullptr;  // of `__init__`; owned
  initproc original = nullptr;
  ModuleState* module_state = nullptr;
};
constinit Hook hook;
// Never destroyed: tasks may be made at the very end.
static_assert(std::is_trivially_destructible_v<Hook>);

// Whether the code that runs is in a tree of this loop's; -1 with an exception set on failure.
int is_in_tree(const CreatedTasks& created, PyObject* loop) {
  if (created.open_trees == 0) return 0;
  PyObject* found = nullptr;
  if (PyContextVar_Get(created.tree.get(), nullptr, &found) < 0) return -1;
  Ref tree = Ref::steal(found);
  while (tree && PyList_CheckExact(tree.get()) && PyList_GET_SIZE(tree.get()) == 2) {
    if (PyList_GET_ITEM(tree.get(), 0) == loop) return 1;
    tree = Ref::borrow(PyList_GET_ITEM(tree.get(), 1));
  }
  return 0;
}

// Whether tasks of this loop that are made here get a portal; -1 with an exception set on failure.
int is_wanted(CreatedTasks& created, PyObject* loop) {
  for (PyObject* enabled : created.loops) {
    if (enabled == loop) return 1;
  }
  return is_in_tree(created, loop);
}

// Whether it is a coroutine, of whatever type, and not a portal yet.
int is_bare_coroutine(const ModuleState& module_state, PyObject* object) {
  if (PyCoro_CheckExact(object)) return 1;
  if (is_portal(module_state, object)) return 0;
  Ref answer =
      Ref::steal(PyObject_CallOneArg(module_state.created_tasks.is_coroutine.get(), object));
  return answer ? PyObject_IsTrue(answer.get()) : -1;
}

// A portal for the coroutine of a task that is about to be made (nullptr where there is no object
// yet), or an empty reference: with an exception set on failure, else if there is to be none.
Ref wanted_portal(ModuleState& module_state, PyObject* coroutine, PyObject* loop, PyObject* task) {
  CreatedTasks& created = module_state.created_tasks;
  Ref running;
  if (loop == nullptr || loop == Py_None) {
    running = Ref::steal(PyObject_CallNoArgs(created.running_loop.get()));
    if (!running) return Ref();
    loop = running.get();
  }
  if (is_wanted(created, loop) <= 0) return Ref();
  if (is_bare_coroutine(module_state, coroutine) <= 0) return Ref();
  Ref portal = make_portal(module_state, coroutine, task, task == nullptr ? -1 : created.framework);
  if (portal) as_portal(portal.get())->looks_late = true;
  return portal;
}

// Tells the scope that the code is in of a task. Returns false with an exception set on failure.
// Tasks by which a loop finishes async generators are nobody's.
bool note_in_scope(const CreatedTasks& created, PyObject* task, PyObject* coroutine) {
  if (!created.has_scopes || interpreter::is_close_of_generator(coroutine)) return true;
  PyObject* found = nullptr;
  if (PyContextVar_Get(created.scope.get(), nullptr, &found) < 0) return false;
  Ref scope = Ref::steal(found);
  if (!scope || scope.get() == Py_None) return true;
  return static_cast<bool>(Ref::steal(PyObject_CallMethod(scope.get(), "add", "O", task)));
}

int init_task(PyObject* task, PyObject* args, PyObject* kwargs) {
  static PyObject* const name_loop = PyUnicode_InternFromString("loop");
  static PyObject* const name_coroutine = PyUnicode_InternFromString("coro");
  // Looking may run code that changes the type back.
  const initproc original = hook.original;
  ModuleState* const module_state = hook.module_state;
  if (module_state == nullptr || !module_state->created_tasks.any()) {
    return original(task, args, kwargs);
  }
  PyObject* const loop = kwargs != nullptr ? PyDict_GetItemWithError(kwargs, name_loop) : nullptr;
  PyObject* coroutine = nullptr;
  const bool by_position = PyTuple_GET_SIZE(args) == 1;
  if (by_position) {
    coroutine = PyTuple_GET_ITEM(args, 0);
  } else if (kwargs != nullptr && PyTuple_GET_SIZE(args) == 0) {
    coroutine = PyDict_GetItemWithError(kwargs, name_coroutine);
  }
  Ref kept = Ref::borrow(coroutine);
  Ref portal;
  if (coroutine != nullptr) portal = wanted_portal(*module_state, coroutine, loop, task);
  if (PyErr_Occurred() != nullptr) return -1;
  int outcome;
  if (!portal) {
    outcome = original(task, args, kwargs);
  } else if (by_position && Py_REFCNT(args) == 1) {
    // Made for this call, and nobody else's.
    PyTuple_SET_ITEM(args, 0, portal.release());
    outcome = original(task, args, kwargs);
    Ref left = Ref::steal(PyTuple_GET_ITEM(args, 0));
    PyTuple_SET_ITEM(args, 0, coroutine);
  } else if (by_position) {
    Ref other_args = Ref::steal(PyTuple_Pack(1, portal.get()));
    outcome = other_args ? original(task, other_args.get(), kwargs) : -1;
  } else {
    Ref other_kwargs = Ref::steal(PyDict_Copy(kwargs));
    const bool replaced =
        other_kwargs && PyDict_SetItem(other_kwargs.get(), name_coroutine, portal.get()) == 0;
    outcome = replaced ? original(task, args, other_kwargs.get()) : -1;
  }
  if (outcome != 0 || !kept) return outcome;
  return note_in_scope(module_state->created_tasks, task, kept.get()) ? 0 : -1;
}

// Exchanges the slot in a type and in all that inherit it.
bool exchange_slot(PyTypeObject* type, initproc from, initproc to) {
  if (type->tp_init == from) type->tp_init = to;
  // Not that of a metaclass.
  Ref subclasses = Ref::steal(
      PyObject_CallMethod(reinterpret_cast<PyObject*>(&PyType_Type), "__subclasses__", "O", type));
  if (!subclasses || !PyList_Check(subclasses.get())) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(subclasses.get()); ++i) {
    PyObject* const subclass = PyList_GET_ITEM(subclasses.get(), i);
    if (!PyType_Check(subclass)) continue;
    if (!exchange_slot(reinterpret_cast<PyTypeObject*>(subclass), from, to)) return false;
  }
  return true;
}

void unhook() {
  if (hook.type == nullptr) return;
  RaisedScope raised;
  hook.descriptor->d_wrapped = reinterpret_cast<void*>(hook.original);
  if (!exchange_slot(hook.type, init_task, hook.original)) {
    // What is left goes on to call the original.
    interpreter::clear_error_but_interrupts();
  }
  hook.module_state = nullptr;
  Py_CLEAR(hook.type);
  Py_CLEAR(hook.descriptor);
}

}  // namespace

int CreatedTasks::traverse(visitproc visit, void* arg) {
  Py_VISIT(is_coroutine.get());
  Py_VISIT(running_loop.get());
  Py_VISIT(tree.get());
  Py_VISIT(scope.get());
  return 0;
}

void CreatedTasks::clear() {
  unhook();
  loops.clear();
  open_trees = 0;
  has_scopes = false;
  is_coroutine = Ref();
  running_loop = Ref();
  tree = Ref();
  scope = Ref();
}

PyObject* set_created_tasks(PyObject* module, PyObject* args) {
  PyObject *is_coroutine, *running_loop, *tree, *scope;
  int framework;
  if (!PyArg_ParseTuple(args, "iOOO!O!", &framework, &is_coroutine, &running_loop,
                        &PyContextVar_Type, &tree, &PyContextVar_Type, &scope)) {
    return nullptr;
  }
  if (framework < 0 || framework >= tasks::NotedTasks::most) {
    PyErr_SetString(PyExc_ValueError, "no such framework");
    return nullptr;
  }
  CreatedTasks& created = state_of_module(module).created_tasks;
  created.framework = framework;
  created.is_coroutine = Ref::borrow(is_coroutine);
  created.running_loop = Ref::borrow(running_loop);
  created.tree = Ref::borrow(tree);
  created.scope = Ref::borrow(scope);
  Py_RETURN_NONE;
}

PyObject* give_portals(PyObject* module, PyObject* args) {
  PyObject* addresses;
  int open_trees, has_scopes;
  if (!PyArg_ParseTuple(args, "O!ip", &PyTuple_Type, &addresses, &open_trees, &has_scopes)) {
    return nullptr;
  }
  CreatedTasks& created = state_of_module(module).created_tasks;
  if (!created.tree) {
    PyErr_SetString(PyExc_RuntimeError, "set_created_tasks() comes first");
    return nullptr;
  }
  created.loops.clear();
  created.open_trees = open_trees;
  created.has_scopes = has_scopes != 0;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(addresses); ++i) {
    void* const address = PyLong_AsVoidPtr(PyTuple_GET_ITEM(addresses, i));
    if (address == nullptr && PyErr_Occurred() != nullptr) return nullptr;
    if (!created.loops.add(static_cast<PyObject*>(address))) return PyErr_NoMemory();
  }
  Py_RETURN_NONE;
}

PyObject* hook_task_type(PyObject* module, PyObject* object) {
  if (hook.type != nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "a task type is hooked already");
    return nullptr;
  }
  if (!PyType_Check(object)) {
    PyErr_SetString(PyExc_TypeError, "expected a task type");
    return nullptr;
  }
  auto* const type = reinterpret_cast<PyTypeObject*>(object);
  Ref found = Ref::steal(PyObject_GetAttrString(object, "__init__"));
  if (!found) return nullptr;
  auto* const descriptor = reinterpret_cast<PyWrapperDescrObject*>(found.get());
  if (!Py_IS_TYPE(found.get(), &PyWrapperDescr_Type) || PyDescr_TYPE(descriptor) != type ||
      type->tp_init == nullptr || descriptor->d_wrapped != reinterpret_cast<void*>(type->tp_init)) {
    PyErr_Format(PyExc_RuntimeError, "%.200s does not initialize its tasks as is expected",
                 type->tp_name);
    return nullptr;
  }
  hook.type = reinterpret_cast<PyTypeObject*>(Py_NewRef(object));
  hook.descriptor = reinterpret_cast<PyWrapperDescrObject*>(found.release());
  hook.original = type->tp_init;
  hook.module_state = &state_of_module(module);
  if (!exchange_slot(type, hook.original, init_task)) {
    unhook();
    return nullptr;
  }
  descriptor->d_wrapped = reinterpret_cast<void*>(init_task);
  Py_RETURN_NONE;
}

PyObject* unhook_task_type(PyObject*, PyObject*) {
  unhook();
  Py_RETURN_NONE;
}

PyObject* in_portal_if_wanted(PyObject* module, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 3) {
    PyErr_SetString(PyExc_TypeError, "expected a coroutine, a loop, and a task or None");
    return nullptr;
  }
  ModuleState& module_state = state_of_module(module);
  PyObject* const task = arguments[2] == Py_None ? nullptr : arguments[2];
  Ref portal;
  if (module_state.created_tasks.any()) {
    portal = wanted_portal(module_state, arguments[0], arguments[1], task);
    if (!portal && PyErr_Occurred() != nullptr) return nullptr;
  }
  return portal ? portal.release() : Py_NewRef(arguments[0]);
}

PyObject* put_task_in_portal(PyObject* module, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 4 || !PyUnicode_Check(arguments[1])) {
    PyErr_SetString(PyExc_TypeError, "expected a task, an attribute, a framework and a mark");
    return nullptr;
  }
  ModuleState& module_state = state_of_module(module);
  PyObject *task = arguments[0], *name = arguments[1];
  const long framework = PyLong_AsLong(arguments[2]);
  const long mark = PyLong_AsLong(arguments[3]);
  if (PyErr_Occurred() != nullptr) return nullptr;
  if (framework < 0 || framework >= tasks::NotedTasks::most) {
    PyErr_SetString(PyExc_ValueError, "no such framework");
    return nullptr;
  }
  Ref coroutine = Ref::steal(PyObject_GetAttr(task, name));
  if (!coroutine) return nullptr;
  Ref portal;
  if (is_portal(module_state, coroutine.get())) {
    portal = std::move(coroutine);
  } else {
    portal = make_portal(module_state, coroutine.get(), task, static_cast<int>(framework));
    if (!portal) return nullptr;
    as_portal(portal.get())->looks_late = true;
    if (PyObject_SetAttr(task, name, portal.get()) < 0) return nullptr;
  }
  as_portal(portal.get())->mark = static_cast<std::int32_t>(mark);
  Py_RETURN_NONE;
}

PyObject* mark_of(PyObject* module, PyObject* object) {
  const bool is_marked = is_portal(state_of_module(module), object);
  return PyLong_FromLong(is_marked ? as_portal(object)->mark : 0);
}

}  // namespace switchback::portal
