// What Python calls in the engine.
#include "module/functions.hpp"

#include <utility>

#include "fiber/thread.hpp"
#include "interpreter/stack_state.hpp"
#include "interpreter/value_stack.hpp"
#include "portal/await.hpp"
#include "portal/awaitable.hpp"
#include "portal/cancellation.hpp"
#include "portal/close.hpp"
#include "portal/created_tasks.hpp"

namespace switchback {
namespace {

using portal::ModuleState;
using portal::Ref;
using portal::state_of_module;

PyObject* has_active_portal(PyObject*, PyObject*) {
  return PyBool_FromLong(portal::active_portal() != nullptr);
}

PyObject* current_portal(PyObject*, PyObject*) {
  const fiber::Fiber* fiber = fiber::Thread::current_fiber();
  if (fiber == nullptr || fiber->owner() == nullptr) Py_RETURN_NONE;
  return Py_NewRef(portal::portal_on(*fiber)->object());
}

// nullptr with an exception set where it is none.
portal::Portal* checked_portal(PyObject* module, PyObject* object) {
  if (portal::is_portal(state_of_module(module), object)) return portal::as_portal(object);
  PyErr_Format(PyExc_TypeError, "expected a portal, not %.100s", Py_TYPE(object)->tp_name);
  return nullptr;
}

PyObject* set_guard(PyObject* module, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2 || !portal::is_portal(state_of_module(module), arguments[0])) {
    PyErr_SetString(PyExc_TypeError, "expected a portal, and a function or None");
    return nullptr;
  }
  portal::Portal* const self = portal::as_portal(arguments[0]);
  PyObject* const guard = arguments[1] == Py_None ? nullptr : Py_NewRef(arguments[1]);
  PyObject* const outer = std::exchange(self->guard, guard);
  fiber::Fiber* const fiber = fiber::Thread::current_fiber();
  if (fiber != nullptr && fiber->owner() == arguments[0]) {
    fiber->set_guarded(portal::is_guarded(self));
  }
  return outer == nullptr ? Py_NewRef(Py_None) : outer;
}

PyObject* changed_frameworks(PyObject* module, PyObject*) {
  Ref changed = Ref::steal(PyList_New(0));
  const fiber::Fiber* fiber = fiber::Thread::current_fiber();
  if (!changed || fiber == nullptr) return changed.release();
  tasks::CurrentTasks& current_tasks = state_of_module(module).current_tasks;
  const tasks::NotedTasks& noted = portal::portal_on(*fiber)->noted;
  PyThreadState* const thread_state = interpreter::current_thread_state();
  for (int i = 0; i < current_tasks.count(); ++i) {
    if (current_tasks.is_unchanged(noted, i, thread_state)) continue;
    Ref index = Ref::steal(PyLong_FromLong(i));
    if (!index || PyList_Append(changed.get(), index.get()) < 0) return nullptr;
  }
  return changed.release();
}

PyObject* is_portal(PyObject* module, PyObject* object) {
  return PyBool_FromLong(portal::is_portal(state_of_module(module), object));
}

PyObject* innermost_frame(PyObject* module, PyObject* object) {
  const portal::Portal* const self = checked_portal(module, object);
  if (self == nullptr) return nullptr;
  const fiber::Fiber* const suspended = self->fiber;
  Ref frame = Ref::steal(suspended == nullptr
                             ? nullptr
                             : suspended->innermost_frame(interpreter::current_thread_state()));
  return frame ? frame.release() : Py_NewRef(Py_None);
}

PyObject* open_portal(PyObject* module, PyObject* awaitable) {
  ModuleState& module_state = state_of_module(module);
  if (interpreter::is_unstarted_coroutine(awaitable)) {
    return portal::make_portal(module_state, awaitable, nullptr, -1).release();
  }
  Ref iterator = portal::await_iterator(awaitable);
  if (!iterator) return nullptr;
  return portal::make_portal(module_state, iterator.get(), nullptr, -1).release();
}

PyObject* keep_exit(PyObject* module, PyObject* object) {
  portal::Portal* const self = checked_portal(module, object);
  if (self == nullptr) return nullptr;
  PyObject* const kept = std::exchange(self->exit, Py_NewRef(Py_None));
  return kept == nullptr ? Py_NewRef(Py_None) : kept;
}

// What `fn, *args, **kwargs` leaves a Python function with; the dict may be left out.
struct Call {
  PyObject* function;
  PyObject* args;
  PyObject* kwargs;  // or nullptr

  // Returns false with TypeError set if that is not what there is.
  bool parse(PyObject* const* arguments, Py_ssize_t count) {
    const bool fits =
        (count == 2 || (count == 3 && PyDict_Check(arguments[2]))) && PyTuple_Check(arguments[1]);
    if (!fits) PyErr_SetString(PyExc_TypeError, "expected a function, a tuple and a dict");
    if (fits) *this = {arguments[0], arguments[1], count == 3 ? arguments[2] : nullptr};
    return fits;
  }
};

PyObject* call_in_portal(PyObject* module, PyObject* const* arguments, Py_ssize_t count) {
  Call call;
  if (!call.parse(arguments, count)) return nullptr;
  const bool active = portal::active_portal() != nullptr;
  Ref awaitable = Ref::steal(PyObject_Call(call.function, call.args, call.kwargs));
  if (!awaitable || active) return awaitable.release();
  return open_portal(module, awaitable.get());
}

PyObject* open_call_portal(PyObject* module, PyObject* const* arguments, Py_ssize_t count) {
  Call call;
  if (!call.parse(arguments, count)) return nullptr;
  return portal::make_call_portal(state_of_module(module), call.function, call.args, call.kwargs)
      .release();
}

PyObject* open_task_portal(PyObject* module, PyObject* args) {
  PyObject *coroutine, *task;
  int framework;
  if (!PyArg_ParseTuple(args, "OOi", &coroutine, &task, &framework)) return nullptr;
  if (framework < 0 || framework >= tasks::NotedTasks::most) {
    PyErr_SetString(PyExc_ValueError, "no such framework");
    return nullptr;
  }
  return portal::make_portal(state_of_module(module), coroutine, task, framework).release();
}

PyObject* add_framework(PyObject* module, PyObject* current_task) {
  const int index = state_of_module(module).current_tasks.add(current_task);
  return index < 0 ? nullptr : PyLong_FromLong(index);
}

PyObject* value_on_stack(PyObject*, PyObject* args) {
  PyObject* frame;
  int index;
  if (!PyArg_ParseTuple(args, "O!i", &PyFrame_Type, &frame, &index)) return nullptr;
  PyObject* const value = interpreter::value_on_stack(frame, index);
  return Py_NewRef(value != nullptr ? value : Py_None);
}

PyObject* awaited(PyObject* module, PyObject* object) {
  const portal::Portal* const self = checked_portal(module, object);
  if (self == nullptr) return nullptr;
  const fiber::Fiber* const suspended = self->fiber;
  PyObject* const found = suspended == nullptr ? nullptr : suspended->awaited();
  return Py_NewRef(found == nullptr ? Py_None : found);
}

PyObject* take_lost_cancellation(PyObject*, PyObject*) {
  portal::Portal* const self = portal::active_portal();
  Ref lost = self != nullptr ? portal::take_lost(self) : Ref();
  return lost ? lost.release() : Py_NewRef(Py_None);
}

PyObject* keep_cancellation(PyObject*, PyObject* exception) {
  fiber::Fiber* const fiber = fiber::Thread::current_fiber();
  if (fiber != nullptr) portal::keep_raised(portal::portal_on(*fiber), *fiber, exception);
  Py_RETURN_NONE;
}

PyObject* close_suspended_portals(PyObject*, PyObject*) {
  portal::close_suspended_portals();
  Py_RETURN_NONE;
}

using FastMethod = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);
PyCFunction as_method(FastMethod method) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method));
}

PyDoc_STRVAR(await_doc,
             "await_(awaitable, /)\n--\n\n"
             "Await `awaitable` from a synchronous function, and return its result.\n\n"
             "``await_(f())`` is equivalent to ``await f()``, except that it can be called where\n"
             "``await`` cannot be written: wherever the innermost running task has a portal, by\n"
             "`ensure_portal`, `bestow_portal`, `with_portal_run`, `with_portal_run_sync` or\n"
             "`with_portal_run_tree`. Values, exceptions, cancellation and context variables pass\n"
             "as they do through ``await``. It is a checkpoint where awaiting is one.\n\n"
             "Raises `NoPortalError` where there is no portal, and what ``await`` would raise\n"
             "otherwise. The awaitable is closed if it cannot be awaited.");

}  // namespace

PyMethodDef functions[] = {
    {"await_", portal::await_function, METH_O, await_doc},
    {"has_active_portal", has_active_portal, METH_NOARGS,
     "Return whether await_() works here: the innermost running task is inside a portal."},
    {"current_portal", current_portal, METH_NOARGS,
     "Return the portal whose step runs here, or None."},
    {"set_guard", as_method(set_guard), METH_FASTCALL,
     "set_guard(portal, message)\n\n"
     "Have a suspension in the portal's running step raise RuntimeError(message()), or suspend as\n"
     "ever with None. Return what was set before."},
    {"changed_frameworks", changed_frameworks, METH_NOARGS,
     "Return the indices of the frameworks whose current task is not the one that it was when the "
     "innermost portal's running step began."},
    {"is_portal", is_portal, METH_O, "Return whether an object is a portal."},
    {"innermost_frame", innermost_frame, METH_O,
     "Return the frame in which a suspended portal has called await_(), or None."},
    {"open_portal", open_portal, METH_O, "Return a portal around an awaitable."},
    {"keep_exit", keep_exit, METH_O,
     "Have a SystemExit or KeyboardInterrupt that ends a portal count as its return. Return the "
     "one "
     "that\nhas done so, or None."},
    {"call_in_portal", as_method(call_in_portal), METH_FASTCALL,
     "call_in_portal(async_fn, args, kwargs={})\n\n"
     "Return what async_fn(*args, **kwargs) returns, in a portal unless one is active."},
    {"open_call_portal", as_method(open_call_portal), METH_FASTCALL,
     "open_call_portal(sync_fn, args, kwargs={})\n\n"
     "Return a portal in which sync_fn(*args, **kwargs) is called when it is awaited."},
    {"open_task_portal", open_task_portal, METH_VARARGS,
     "open_task_portal(coroutine, task, framework)\n\n"
     "Return a portal to replace the coroutine of a task of the framework with that index."},
    {"add_framework", add_framework, METH_O,
     "Register a function that returns a framework's current task or None; return its index."},
    {"set_created_tasks", portal::set_created_tasks, METH_VARARGS,
     "set_created_tasks(framework, is_coroutine, running_loop, tree, scope)\n\n"
     "Set what has to be known of a framework's tasks to give them portals as they are created."},
    {"give_portals", portal::give_portals, METH_VARARGS,
     "give_portals(loops, open_trees, has_scopes)\n\n"
     "Set which tasks get portals: those of the loops with these addresses, and of open trees."},
    {"hook_task_type", portal::hook_task_type, METH_O,
     "Have a task type that is written in C, and its subclasses, make tasks with portals."},
    {"unhook_task_type", portal::unhook_task_type, METH_NOARGS,
     "Have the task type as it was before hook_task_type()."},
    {"in_portal_if_wanted", as_method(portal::in_portal_if_wanted), METH_FASTCALL,
     "in_portal_if_wanted(coroutine, loop, task)\n\n"
     "Return a portal for the coroutine of a task of that loop, or the coroutine if it gets none."},
    {"put_task_in_portal", as_method(portal::put_task_in_portal), METH_FASTCALL,
     "put_task_in_portal(task, attribute, framework, mark)\n\n"
     "Put the coroutine, an attribute of a task that has not begun, into a portal, and mark that."},
    {"mark_of", portal::mark_of, METH_O, "Return the mark of a portal; 0 without, or for another."},
    {"value_on_stack", value_on_stack, METH_VARARGS,
     "value_on_stack(frame, index)\n\n"
     "Return what a frame amid a call has there on its value stack, or None. The code has to say\n"
     "that it is there."},
    {"awaited", awaited, METH_O,
     "Return what a portal waits for that await_() has suspended, or None."},
    {"take_lost_cancellation", take_lost_cancellation, METH_NOARGS,
     "Return the exception by which the running task is being cancelled, where that was lost on\n"
     "its way out of the running portal, and leave it to the caller; or None."},
    {"keep_cancellation", keep_cancellation, METH_O,
     "Have the running portal look after the exception, which the caller raises."},
    {"close_suspended_portals", close_suspended_portals, METH_NOARGS,
     "Close every portal that is suspended in await_() in this thread."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace switchback
