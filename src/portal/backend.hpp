// Which backend a portal runs on, and the fiber for each of its steps.
#pragma once

#include "fiber/thread.hpp"
#include "greenlet/takeover.hpp"
#include "portal/portal.hpp"

namespace switchback::portal {

// Whether greenlet would have to switch from a stack of ours to the thread's own, where the step
// has its place, and has not been taken over: it would take all that lies between for a part of the
// stack.
inline bool is_out_of_place(Backend backend, const fiber::Thread& thread) {
  return backend == Backend::greenlet && thread.in_native() && !greenlet::Takeover::done();
}

// Sets the RuntimeError for that.
void refuse_place();

// The fiber for a step of `self` that begins, whose backend is chosen at the first one. nullptr
// with an exception set on failure. May run Python code.
Fiber* take_fiber(Portal* self, fiber::Thread& thread, const PyThreadState* thread_state);

// Takes back a fiber whose step has ended, after the portal's phase has been set. `with_greenlets`:
// whether a greenlet may have its place on the fiber's stack. May run Python code.
void give_fiber(Portal* self, fiber::Thread& thread, const PyThreadState* thread_state,
                Fiber* fiber, bool with_greenlets);

// Lets go of the fiber that a portal keeps for its next step. In any thread. May run Python code.
void release_kept(Portal* self);

}  // namespace switchback::portal
