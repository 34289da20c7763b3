// The extension module switchback._engine: its state, its start and its end.
#include <new>
#include <utility>

#include "core/os/system.hpp"
#include "core/stack_parts.hpp"
#include "fiber/stack_fiber.hpp"
#include "interpreter/monitoring.hpp"
#include "interpreter/stack_state.hpp"
#include "module/functions.hpp"
#include "portal/errands.hpp"
#include "portal/portal_type.hpp"
#include "tasks/task_slot.hpp"

namespace switchback {
namespace {

using portal::ModuleState;
using portal::Ref;
using portal::state_of_module;

bool add_constants(PyObject* module) {
  return PyModule_AddIntConstant(module, "ASYNCIO", tasks::NotedTasks::asyncio) == 0 &&
         PyModule_AddIntConstant(module, "TRIO", tasks::NotedTasks::trio) == 0 &&
         PyModule_AddIntConstant(module, "GREENLET", tasks::NotedTasks::greenlet) == 0;
}

bool make_names(ModuleState& module_state) {
  module_state.name_throw = PyUnicode_InternFromString("throw");
  module_state.name_close = PyUnicode_InternFromString("close");
  return module_state.name_throw != nullptr && module_state.name_close != nullptr;
}

bool make_stack_settings(interpreter::StackSettings& settings) {
  settings.base_code = PyCode_NewEmpty("<switchback>", "<portal>", 1);
  settings.c_recursion_limit = interpreter::c_recursion_limit(
      PyThreadState_Get(), core::StackParts(interpreter::default_stack_size).lower);
  return settings.base_code != nullptr;
}

bool add_no_portal_error(PyObject* module, ModuleState& module_state) {
  module_state.no_portal_error = PyErr_NewExceptionWithDoc(
      "switchback.NoPortalError",
      "await_() was called where the innermost running task has no portal.\n\n"
      "The message says which function to call to get one.",
      PyExc_RuntimeError, nullptr);
  return module_state.no_portal_error != nullptr &&
         PyModule_AddObjectRef(module, "NoPortalError", module_state.no_portal_error) == 0;
}

int exec(PyObject* module) {
  if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
    PyErr_SetString(PyExc_ImportError,
                    "switchback does not support sub-interpreters: import it in the main one");
    return -1;
  }
  if (core::has_shadow_stack()) {
    PyErr_Format(PyExc_ImportError,
                 "switchback cannot switch stacks in a process with shadow stacks (CET): %s",
                 core::shadow_stack_remedy);
    return -1;
  }
  ModuleState& module_state = *::new (PyModule_GetState(module)) ModuleState();
  module_state.current_tasks.start();
  fiber::StackFiber::prepare_for_fork();
  portal::watch_errands();
  interpreter::find_monitoring();
  if (!make_names(module_state) || !make_stack_settings(module_state.stack_settings)) return -1;
  module_state.await = PyObject_GetAttrString(module, "await_");
  if (module_state.await == nullptr) return -1;
  module_state.task_slot_type = tasks::add_task_slot_type(module);
  const bool complete = module_state.task_slot_type != nullptr &&
                        PyModule_AddFunctions(module, setting_functions) == 0 &&
                        add_no_portal_error(module, module_state) &&
                        portal::add_portal_type(module, module_state) && add_constants(module);
  return complete ? 0 : -1;
}

int traverse(PyObject* module, visitproc visit, void* arg) {
  ModuleState& module_state = state_of_module(module);
  Py_VISIT(module_state.portal_type);
  Py_VISIT(module_state.task_slot_type);
  Py_VISIT(module_state.no_portal_error);
  Py_VISIT(module_state.await);
  Py_VISIT(module_state.explain_no_portal);
  Py_VISIT(module_state.explain_wrong_thread);
  Py_VISIT(module_state.explain_not_awaitable);
  Py_VISIT(module_state.await_in_thread);
  Py_VISIT(module_state.link_calls);
  Py_VISIT(module_state.cancellation);
  Py_VISIT(module_state.debug);
  const int stopped = module_state.created_tasks.traverse(visit, arg);
  return stopped != 0 ? stopped : module_state.current_tasks.traverse(visit, arg);
}

int clear(PyObject* module) {
  ModuleState& module_state = state_of_module(module);
  module_state.created_tasks.clear();
  Py_CLEAR(module_state.portal_type);
  Py_CLEAR(module_state.task_slot_type);
  Py_CLEAR(module_state.no_portal_error);
  Py_CLEAR(module_state.await);
  Py_CLEAR(module_state.explain_no_portal);
  Py_CLEAR(module_state.explain_wrong_thread);
  Py_CLEAR(module_state.explain_not_awaitable);
  Py_CLEAR(module_state.await_in_thread);
  Py_CLEAR(module_state.link_calls);
  Py_CLEAR(module_state.cancellation);
  Py_CLEAR(module_state.debug);
  Py_CLEAR(module_state.name_throw);
  Py_CLEAR(module_state.name_close);
  module_state.current_tasks.clear();
  delete std::exchange(module_state.timeline, nullptr);
  return 0;
}

void free_module(void* module) { clear(static_cast<PyObject*>(module)); }

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(exec)},
#ifdef Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "switchback._engine",
    "Portals, and the stacks that they run on.",
    sizeof(ModuleState),
    functions,
    slots,
    traverse,
    clear,
    free_module,
};

}  // namespace
}  // namespace switchback

PyMODINIT_FUNC PyInit__engine() { return PyModuleDef_Init(&switchback::definition); }
