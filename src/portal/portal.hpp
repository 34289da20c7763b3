// The portal: stands in for a coroutine towards the event loop, and runs each of its steps on a
// fiber, so that await_() can suspend the step from any depth.
#pragma once

#include <cstdint>

#include "fiber/fiber.hpp"
#include "interpreter/coroutines.hpp"
#include "portal/module_state.hpp"

namespace switchback::portal {

using fiber::Fiber;

// Who switches stacks: we do, or greenlet does, by copying parts of the one stack of the thread.
enum class Backend : std::uint8_t { native, greenlet };

struct Portal {
  PyObject_HEAD

  // What a portal is doing. `idle` includes "not started": the target knows that itself.
  enum class Phase : std::uint8_t { idle, running, finished };

  // The coroutine (or other iterator of an awaitable) whose steps are run; or, for a portal around
  // a sync function, the function. Owned.
  PyObject* target;
  ModuleState* module_state;  // of the module that the type keeps alive
  PyObject* args;             // of the function; owned, nullptr for a coroutine and after the call
  PyObject* kwargs;           // likewise; may be nullptr
  // The fiber that is suspended in await_(); nullptr while the target itself is suspended.
  Fiber* fiber;
  // On the greenlet backend, or with a greenlet that is not taken over: the fiber for the next
  // step, which has to be that of the step before. A greenlet that the coroutine has started comes
  // back to where it was started from.
  Fiber* kept;
  // The framework in whose task this portal stands in place of the task's coroutine, or -1. Then
  // noted.current[framework] is that task for good.
  std::int8_t framework;
  Backend backend;  // chosen when the first step begins
  bool calls_function;
  // Debuggers in other processes take what they find in a task for a coroutine, and read how far
  // that has got here, where this says: it has no frame to look at.
  std::int8_t frame_state;
  bool started;
  // Whether what the program has loaded is looked at as await_() first suspends, and not as the
  // first step begins: most of the tasks that are given a portal as they are created never wait in
  // one.
  bool looks_late;
  std::int32_t mark;  // for the Python package, which tells by it who has put a task into a portal
  Phase phase;
  // In the timeline that is being written, or in an earlier one; zero if in none.
  timeline::Track track;
  // The tasks that were current when the running step began.
  tasks::NotedTasks noted;
  PyObject* weak_references;
  // Called for the message of the exception that a suspension raises now; owned, or nullptr where
  // it is not guarded against.
  PyObject* guard;
  // What has left an await_() and may be lost, by which the event loop cancels the task; owned, or
  // nullptr. And how many references it has where only those have one that had one then.
  PyObject* cancellation;
  Py_ssize_t held;
  // Where what ends the program is to end the portal alone, as if it had returned: None, or that
  // exception once there is one; owned. nullptr elsewhere.
  PyObject* exit;

  PyObject* object() { return reinterpret_cast<PyObject*>(this); }
};

inline Portal* as_portal(PyObject* object) { return reinterpret_cast<Portal*>(object); }

inline bool is_portal(const ModuleState& module_state, PyObject* object) {
  return Py_IS_TYPE(object, module_state.portal_type);
}

// The portal whose step the fiber runs, which is not abandoned.
inline Portal* portal_on(const Fiber& fiber) { return as_portal(fiber.owner()); }

// Whether there is something to look at where the portal's running step would be suspended.
inline bool is_guarded(const Portal* self) {
  return self->guard != nullptr || self->cancellation != nullptr || self->looks_late ||
         self->module_state->debug != nullptr;
}

// Whether the task that the fiber's step belongs to is the innermost one. Asked at each suspension.
[[gnu::always_inline]] inline bool in_innermost_task(const Fiber& fiber) {
  Portal* const portal = portal_on(fiber);
  return portal->module_state->current_tasks.is_innermost(portal->noted,
                                                          interpreter::current_thread_state());
}

// Whether nothing of the portal's code has run yet; its first step may have been refused.
inline bool never_ran(const Portal* self) {
  if (self->calls_function) return !self->started;
  return self->fiber == nullptr && interpreter::is_unstarted_coroutine(self->target);
}

// Marks the portal as finished, with nothing left to run.
void finish(Portal* self);

// A portal around `awaitable_iterator`; steals no reference. For a portal that is going to replace
// the coroutine of `task`, a task of `framework`; nullptr and -1 otherwise.
Ref make_portal(ModuleState& module_state, PyObject* awaitable_iterator, PyObject* task,
                int framework);

// A portal around a call of `function`.
Ref make_call_portal(ModuleState& module_state, PyObject* function, PyObject* args,
                     PyObject* kwargs);

}  // namespace switchback::portal
