// Those functions of the module by which the package sets how all is done, and asks what there is.
#include <limits>

#include "core/os/system.hpp"
#include "fiber/thread.hpp"
#include "greenlet/takeover.hpp"
#include "interpreter/stack_state.hpp"
#include "module/functions.hpp"
#include "portal/noted_step.hpp"

namespace switchback {
namespace {

using portal::ModuleState;
using portal::Ref;
using portal::state_of_module;

constexpr const char* backend_names[] = {"auto", "native", "greenlet"};

PyObject* set_explainers(PyObject* module, PyObject* args) {
  PyObject *no_portal, *wrong_thread, *not_awaitable;
  if (!PyArg_ParseTuple(args, "OOO", &no_portal, &wrong_thread, &not_awaitable)) return nullptr;
  ModuleState& module_state = state_of_module(module);
  Py_XSETREF(module_state.explain_no_portal, Py_NewRef(no_portal));
  Py_XSETREF(module_state.explain_wrong_thread, Py_NewRef(wrong_thread));
  Py_XSETREF(module_state.explain_not_awaitable, Py_NewRef(not_awaitable));
  Py_RETURN_NONE;
}

PyObject* set_cancellation(PyObject* module, PyObject* functions) {
  Py_XSETREF(state_of_module(module).cancellation, Py_NewRef(functions));
  Py_RETURN_NONE;
}

PyObject* set_link_calls(PyObject* module, PyObject* function) {
  Py_XSETREF(state_of_module(module).link_calls, Py_NewRef(function));
  Py_RETURN_NONE;
}

PyObject* set_debug(PyObject* module, PyObject* functions) {
  Py_XSETREF(state_of_module(module).debug, functions == Py_None ? nullptr : Py_NewRef(functions));
  Py_RETURN_NONE;
}

PyObject* has_debug(PyObject* module, PyObject*) {
  return PyBool_FromLong(state_of_module(module).debug != nullptr);
}

PyObject* set_await_in_thread(PyObject* module, PyObject* function) {
  PyObject* const set = function == Py_None ? nullptr : Py_NewRef(function);
  Py_XSETREF(state_of_module(module).await_in_thread, set);
  Py_RETURN_NONE;
}

PyObject* get_backend(PyObject* module, PyObject*) {
  return PyUnicode_FromString(backend_names[static_cast<int>(state_of_module(module).backend)]);
}

PyObject* set_backend(PyObject* module, PyObject* name) {
  if (!PyUnicode_Check(name)) {
    PyErr_Format(PyExc_TypeError, "the backend is a str, not %.100s", Py_TYPE(name)->tp_name);
    return nullptr;
  }
  ModuleState& module_state = state_of_module(module);
  for (int i = 0; i < 3; ++i) {
    if (PyUnicode_CompareWithASCIIString(name, backend_names[i]) != 0) continue;
    const auto setting = static_cast<portal::BackendSetting>(i);
    const char* obstacle = interpreter::native_obstacle();
    if (setting == portal::BackendSetting::native && obstacle != nullptr) {
      PyErr_SetString(PyExc_RuntimeError, obstacle);
      return nullptr;
    }
    if (setting == portal::BackendSetting::greenlet && !module_state.greenlet.load())
      return nullptr;
    module_state.backend = setting;
    Py_RETURN_NONE;
  }
  PyErr_Format(PyExc_ValueError, "the backend is one of 'auto', 'native' and 'greenlet', not %R",
               name);
  return nullptr;
}

PyObject* take_over_greenlet(PyObject* module, PyObject*) {
  greenlet::Takeover::take();
  state_of_module(module).current_tasks.look_again();
  Py_RETURN_NONE;
}

PyObject* greenlet_obstacle(PyObject* module, PyObject*) {
  // The program may have imported it since it was looked for.
  state_of_module(module).current_tasks.greenlet_untaken();
  const char* obstacle = greenlet::Takeover::obstacle();
  if (obstacle == nullptr) Py_RETURN_NONE;
  return PyUnicode_FromString(obstacle);
}

PyObject* get_stack_size(PyObject*, PyObject*) {
  return PyLong_FromSize_t(fiber::StackFiber::stack_size());
}

PyObject* set_stack_size(PyObject*, PyObject* bytes) {
  if (!PyLong_Check(bytes)) {
    PyErr_Format(PyExc_TypeError, "the size of a stack is an int, not %.100s",
                 Py_TYPE(bytes)->tp_name);
    return nullptr;
  }
  int overflow;
  long long asked = PyLong_AsLongLongAndOverflow(bytes, &overflow);
  if (overflow != 0) asked = std::numeric_limits<long long>::max();  // refused, as too large
  if (!fiber::StackFiber::set_stack_size(asked)) return nullptr;
  Py_RETURN_NONE;
}

PyObject* native_obstacle(PyObject*, PyObject*) {
  const char* obstacle = interpreter::native_obstacle();
  if (obstacle == nullptr) Py_RETURN_NONE;
  return PyUnicode_FromString(obstacle);
}

PyObject* write_on_signal(PyObject*, PyObject* args) {
  int number, file;
  if (!PyArg_ParseTuple(args, "ii", &number, &file)) return nullptr;
  return PyBool_FromLong(core::write_on_signal(number, file));
}

PyObject* start_timeline(PyObject* module, PyObject*) {
  if (!portal::start_timeline(state_of_module(module))) return nullptr;
  Py_RETURN_NONE;
}

PyObject* take_timeline(PyObject* module, PyObject*) {
  return portal::take_timeline(state_of_module(module));
}

PyObject* stop_timeline(PyObject* module, PyObject*) {
  return portal::stop_timeline(state_of_module(module));
}

PyObject* live_stacks(PyObject*, PyObject*) { return PyLong_FromSize_t(fiber::StackFiber::live()); }

PyObject* idle_stacks(PyObject*, PyObject*) {
  const fiber::Thread* thread = fiber::Thread::of_this_thread();
  return thread == nullptr ? nullptr : PyLong_FromSize_t(thread->idle_stacks());
}

}  // namespace

PyMethodDef setting_functions[] = {
    {"set_explainers", set_explainers, METH_VARARGS,
     "set_explainers(no_portal, wrong_thread, not_awaitable)\n\n"
     "Set the functions that word the messages of a NoPortalError, of a portal that was resumed\n"
     "in another thread, and of what cannot be awaited."},
    {"set_cancellation", set_cancellation, METH_O,
     "Set what judges cancellations, by its functions is_requested(), has_left(), is_part_of() "
     "and\n"
     "request_again()."},
    {"set_link_calls", set_link_calls, METH_O,
     "Set the function that returns what cr_await of a portal shows, which await_() has "
     "suspended:\n"
     "it is called with the portal and what await_() was given."},
    {"set_debug", set_debug, METH_O,
     "Set what looks at suspensions, by its functions before_suspension() and after_suspension();\n"
     "or None."},
    {"has_debug", has_debug, METH_NOARGS, "Tell whether there is something set by set_debug()."},
    {"set_await_in_thread", set_await_in_thread, METH_O,
     "Set what awaits outside of all portals: a function that returns a tuple of the result, or "
     "None; or\nNone."},
    {"get_backend", get_backend, METH_NOARGS, "Return the choice of backend."},
    {"set_backend", set_backend, METH_O,
     "Choose the backend of portals that begin from now on: 'auto', 'native' or 'greenlet'."},
    {"take_over_greenlet", take_over_greenlet, METH_NOARGS,
     "Have a greenlet that has just been imported switch on the thread's own stack, for good."},
    {"greenlet_obstacle", greenlet_obstacle, METH_NOARGS,
     "Return why the native backend and the program's greenlet do not go together, or None if they "
     "do, or if the program has not imported it."},
    {"get_stack_size", get_stack_size, METH_NOARGS,
     "Return the bytes of address space that each native stack takes."},
    {"set_stack_size", set_stack_size, METH_O,
     "Choose the bytes of address space that each native stack takes, before there is one."},
    {"native_obstacle", native_obstacle, METH_NOARGS,
     "Return why the native backend cannot be used in this interpreter, or None if it can."},
    {"write_on_signal", write_on_signal, METH_VARARGS,
     "write_on_signal(number, file)\n\n"
     "Have a byte written to the file descriptor whenever the process gets the signal, whatever it "
     "does.\nReturn whether that can be."},
    {"start_timeline", start_timeline, METH_NOARGS,
     "Have each step of a portal noted from now on."},
    {"take_timeline", take_timeline, METH_NOARGS,
     "Return what was noted since the last time, as JSON objects of the Trace Event format with a\n"
     "comma before each, and a list of the system's numbers of threads that are new in it."},
    {"stop_timeline", stop_timeline, METH_NOARGS,
     "Note no more steps, and return the rest as take_timeline() does."},
    {"live_stacks", live_stacks, METH_NOARGS,
     "Return the number of stacks in the process, those that are kept for reuse included."},
    {"idle_stacks", idle_stacks, METH_NOARGS,
     "Return the number of stacks that this thread keeps for reuse."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace switchback
