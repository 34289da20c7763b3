// The module state: what one import of the engine has, kept in the module object.
#pragma once

#include "greenlet/api.hpp"
#include "interpreter/ref.hpp"
#include "interpreter/stack_settings.hpp"
#include "portal/created_tasks.hpp"
#include "tasks/current_tasks.hpp"
#include "timeline/timeline.hpp"

namespace switchback::portal {

using interpreter::RaisedScope;
using interpreter::Ref;

// Which backend portals run on: `automatic` is greenlet's if the program has imported a greenlet
// that cannot be taken over, or if there is no native one.
enum class BackendSetting { automatic, native, greenlet };

struct ModuleState {
  PyTypeObject* portal_type = nullptr;     // owned
  PyTypeObject* task_slot_type = nullptr;  // owned
  PyObject* no_portal_error = nullptr;     // owned
  PyObject* await = nullptr;               // the function of the module; owned
  // Called without arguments to word a NoPortalError; owned, or nullptr until it is set.
  PyObject* explain_no_portal = nullptr;
  // Likewise for a portal of another thread, with the thread's identifier and whether it has ended.
  PyObject* explain_wrong_thread = nullptr;
  // Likewise for what cannot be awaited, with the object and the message of `await`.
  PyObject* explain_not_awaitable = nullptr;
  // Called with what is awaited outside of all portals: returns the result in a tuple, or None
  // where this is not its business; owned, or nullptr.
  PyObject* await_in_thread = nullptr;
  // Called with a suspended portal and what it awaits: returns what stands for its synchronous
  // calls in a chain of coroutines.
  PyObject* link_calls = nullptr;
  // What has the functions that judge cancellations; owned, or nullptr.
  PyObject* cancellation = nullptr;
  // What has the functions that look at suspensions, in debug mode; owned, or nullptr.
  PyObject* debug = nullptr;
  interpreter::StackSettings stack_settings;
  PyObject* name_throw = nullptr;  // owned, interned, as are all of these
  PyObject* name_close = nullptr;
  tasks::CurrentTasks current_tasks;
  CreatedTasks created_tasks;
  // What each step is noted in; owned, or nullptr. And the first track of the next one.
  timeline::Timeline* timeline = nullptr;
  timeline::Track next_track = 1;
  BackendSetting backend = BackendSetting::automatic;
  greenlet::Api greenlet;
};

inline ModuleState& state_of_module(PyObject* module) {
  return *static_cast<ModuleState*>(PyModule_GetState(module));
}

}  // namespace switchback::portal
