// The portal: stands in for a coroutine towards the event loop, and runs each of its steps on a
// fiber, so that await_() can suspend the step from any depth.
#pragma once

#include <cstdint>

#include "portal/environment.hpp"
#include "portal/fiber.hpp"
#include "portal/state.hpp"

namespace switchback::portal {

struct Portal {
  PyObject_HEAD

  // What a portal is doing. `idle` includes "not started": the target knows that itself.
  enum class Phase : std::uint8_t { idle, running, finished };

  // The coroutine (or other iterator of an awaitable) whose steps are run; or, for a portal around
  // a sync function, the function. Owned.
  PyObject* target;
  ModuleState* state;  // of the module that the type keeps alive
  PyObject* args;      // of the function; owned, nullptr for a coroutine and after the call
  PyObject* kwargs;    // likewise; may be nullptr
  // The fiber that is suspended in await_(); nullptr while the target itself is suspended.
  Fiber* fiber;
  // In a program that uses greenlet, the fiber for the next step, which has to be that of the step
  // before: a greenlet that the coroutine has started comes back to where it was started from.
  Fiber* kept;
  // The framework in whose task this portal stands in place of the task's coroutine, or -1. Then
  // environment.current[framework] is that task for good.
  std::int8_t framework;
  Backend backend;  // chosen when the first step begins
  bool calls_function;
  // Debuggers in other processes take what they find in a task for a coroutine, and read how far
  // that has got here, where this says: it has no frame to look at.
  std::int8_t frame_state;
  bool started;
  Phase phase;
  // The tasks that were current when the running step began.
  Environment environment;
  PyObject* weak_references;
};

// Creates the type; returns false with an exception set on failure.
bool add_portal_type(PyObject* module, ModuleState& state);

// A portal around `awaitable_iterator`; steals no reference. For a portal that is going to replace
// the coroutine of `task`, a task of `framework`; nullptr and -1 otherwise.
Ref make_portal(ModuleState& state, PyObject* awaitable_iterator, PyObject* task, int framework);

// A portal around a call of `function`.
Ref make_call_portal(ModuleState& state, PyObject* function, PyObject* args, PyObject* kwargs);

inline bool is_portal(const ModuleState& state, PyObject* object) {
  return Py_IS_TYPE(object, state.portal_type);
}

// Whether nothing of the portal's code has run yet.
inline bool never_ran(const Portal* self) {
  return !self->started &&
         (self->calls_function || interpreter::is_unstarted_coroutine(self->target));
}

// Lets go of the fiber that a portal keeps for its next step. In any thread.
void release_kept(Portal* self);

// Closes every portal that this thread state has suspended in await_(), as dropping them would.
// Runs Python code; errors go to sys.unraisablehook.
void close_suspended_portals();

}  // namespace switchback::portal
