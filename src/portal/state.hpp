// The state of one import of the engine, kept in the module object.
#pragma once

#include "interpreter/stack_state.hpp"
#include "portal/environment.hpp"
#include "portal/greenlet_api.hpp"
#include "portal/ref.hpp"

namespace switchback::portal {

// Which backend portals run on: `automatic` is greenlet's if the program has imported greenlet.
enum class BackendSetting { automatic, native, greenlet };

struct ModuleState {
  PyTypeObject* portal_type = nullptr;     // owned
  PyTypeObject* task_slot_type = nullptr;  // owned
  PyObject* no_portal_error = nullptr;     // owned
  // Called without arguments to word a NoPortalError; owned, or nullptr until it is set.
  PyObject* explain_no_portal = nullptr;
  // Likewise for a portal of another thread, with the thread's identifier and whether it has ended.
  PyObject* explain_wrong_thread = nullptr;
  interpreter::StackSettings stack_settings;
  PyObject* name_send = nullptr;  // owned, interned, as are all of these
  PyObject* name_throw = nullptr;
  PyObject* name_close = nullptr;
  EnvironmentSource environment;
  BackendSetting backend = BackendSetting::automatic;
  GreenletApi greenlet;
};

inline ModuleState& state_of_module(PyObject* module) {
  return *static_cast<ModuleState*>(PyModule_GetState(module));
}

}  // namespace switchback::portal
