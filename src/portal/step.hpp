// One step of a portal: what the event loop does to a coroutine, and how it ends.
#pragma once

#include "portal/portal.hpp"

namespace switchback::portal {

struct Step {
  // `close` is for a portal that await_() has not suspended.
  enum class Kind { send, throw_, close };

  PyObject* argument;  // borrowed: the value sent, or the exception thrown
  Kind kind;

  static Step sent(PyObject* value) { return {value, Kind::send}; }
  static Step thrown(PyObject* exception) { return {exception, Kind::throw_}; }
};

// Runs `self` until it yields, returns or raises; *result as PyIter_Send() sets it. What may
// switch: this runs on a fiber, and comes back on the caller's stack.
PySendResult run_step(Portal* self, Step step, PyObject** result);

// The same, noted in the module's timeline if there is one.
PySendResult take_step(Portal* self, Step step, PyObject** result);

}  // namespace switchback::portal
