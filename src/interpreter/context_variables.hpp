// Part: the current context, of context variables.
#pragma once

#include <cassert>
#include <utility>

#include "interpreter/internals.hpp"
#include "interpreter/stack_part.hpp"

namespace switchback::interpreter {

// Has a `context` that was entered in `followed` (borrowed) be left for `base`, a stack being
// resumed in another context than the one in which it had called Context.run(). May run Python
// code.
inline void rebase_context(PyObject* context, PyObject*& followed, PyObject* base) {
  if (base == followed) return;
  auto* entered = reinterpret_cast<PyContext*>(context);
  auto* bottom = reinterpret_cast<PyContext*>(followed);
  while (entered->ctx_prev != nullptr && entered->ctx_prev != bottom) entered = entered->ctx_prev;
  if (entered->ctx_prev == nullptr) return;
  // PyContext_Enter() has moved the thread state's reference there (Python/context.c).
  entered->ctx_prev = reinterpret_cast<PyContext*>(Py_NewRef(base));
  PyObject* previous = std::exchange(followed, base);
  Py_DECREF(previous);
}

// The context that is current, a new reference; nullptr if there is none yet.
inline PyObject* current_context(PyThreadState* thread_state) {
  return Py_XNewRef(thread_state->context);
}

// Creates the thread state's context if it has none yet, so that every switch finds one.
inline bool ensure_context(PyThreadState* thread_state) {
  if (thread_state->context != nullptr) return true;
  PyObject* copy = PyContext_CopyCurrent();
  Py_XDECREF(copy);
  return copy != nullptr;
}

// A stack sees whatever context it is resumed in, as a coroutine does: the thread state's reference
// stays where it is. A stack that is suspended inside a Context.run() of its own has a private
// context, which is exchanged. The interpreter caches the values of variables by `context_ver`, so
// that is raised whenever another context becomes current.
class ContextVariables : public NothingToPrepare {
 public:
  struct Resumer {
    PyObject* context;  // owned, but shared with the stack unless that has a private one
    bool stack_was_private;
  };

  // Whether the stack is inside a Context.run() of its own.
  bool is_private() const { return context_ != nullptr; }

  // Before enter(), for a stack with a private context. May run Python code.
  void rebase(PyThreadState* thread_state) {
    rebase_context(context_, followed_, thread_state->context);
  }

  void enter(PyThreadState* thread_state, Resumer& resumer) {
    resumer.context = thread_state->context;
    assert(resumer.context != nullptr);
    resumer.stack_was_private = context_ != nullptr;
    if (!resumer.stack_was_private) {
      followed_ = resumer.context;
    } else {
      thread_state->context = context_;
      context_ = nullptr;
      thread_state->context_ver++;
    }
  }

  void leave(PyThreadState* thread_state, const Resumer& resumer) {
    PyObject* const context = thread_state->context;
    if (context == resumer.context) {
      // The private one has been left, for a reference of the stack's own.
      if (resumer.stack_was_private) Py_DECREF(context);  // never the last one
    } else {
      // PyContext_Enter() has moved the shared reference into the private context.
      if (!resumer.stack_was_private) Py_INCREF(resumer.context);
      thread_state->context = resumer.context;
      context_ = context;
      thread_state->context_ver++;
    }
  }

  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(context_);
    return 0;
  }

  bool has_leftovers() const { return context_ != nullptr; }
  void finish() { Py_CLEAR(context_); }

 private:
  PyObject* context_ = nullptr;   // owned; a context that only this stack is in
  PyObject* followed_ = nullptr;  // borrowed; the resumer's, in which that one was entered
};

}  // namespace switchback::interpreter
