// Cancellations that code without exceptions of its own has lost: the task is cancelled again.
#pragma once

#include "portal/portal.hpp"

namespace switchback::portal {

// Whether an exception, or those of a type, may be a cancellation at all: no Exception, and no
// GeneratorExit. Runs no Python code.
bool may_cancel(PyObject* exception);

// As `exception` is about to leave an await_() in the portal's running step: has the portal keep
// it, where it is one by which the event loop cancels the task. Runs Python code; no exception is
// set before or after, as with all of these.
void note_raised(Portal* self, Fiber& fiber, PyObject* exception);

// The same, where that is known.
void keep_raised(Portal* self, Fiber& fiber, PyObject* exception);

// What the portal has kept and has been lost since: it has left all Python code, and nothing else
// refers to it. An empty reference otherwise.
Ref take_lost(Portal* self);

// As the portal's running step is about to be suspended: has the framework cancel the task at this
// suspension, where a cancellation has been lost.
void cancel_again(Portal* self);

// As the portal's last step has ended with `outcome`: raises what has been lost instead, and
// returns the outcome then.
PySendResult raise_lost(Portal* self, PySendResult outcome, PyObject** result);

// As a step of the portal is suspended, and as it goes on: who runs it may have held what it threw.
inline void note_suspended(Portal* self) {
  if (self->cancellation != nullptr) self->held -= Py_REFCNT(self->cancellation);
}
inline void note_resumed(Portal* self) {
  if (self->cancellation != nullptr) self->held += Py_REFCNT(self->cancellation);
}

}  // namespace switchback::portal
