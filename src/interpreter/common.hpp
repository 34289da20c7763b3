// What every supported minor keeps per stack in the same fields of PyThreadState.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "interpreter/internals.hpp"
#include "interpreter/stack_settings.hpp"

namespace switchback::interpreter {

// The resumer's values, kept on the resumer's own stack while another stack runs.
struct CommonResumer {
  _PyStackChunk* datastack_chunk;
  PyObject** datastack_top;
  PyObject** datastack_limit;
  _PyErr_StackItem* exc_info;
  PyObject* context;  // owned, but shared with the stack unless that has a private one
  bool stack_was_private;
};

// Python frames of sync functions live on a "data stack" made of chunks, the handled exceptions in
// a linked list, both with their ends in PyThreadState. Each of our stacks has ends of its own.
class CommonState {
 public:
  // Gives the stack its first data-stack chunk, in memory that belongs to the stack. CPython never
  // frees a chunk without a predecessor (push_chunk() and _PyThreadState_PopFrame() in
  // Python/pystate.c leave its first slot unused for that purpose).
  void prepare(const StackMemory& memory) {
    auto* root = ::new (memory.chunk) _PyStackChunk{};
    root->previous = nullptr;
    root->size = memory.chunk_size;
    root->top = 0;
    datastack_chunk_ = root;
    datastack_top_ = &root->data[1];
    datastack_limit_ = reinterpret_cast<PyObject**>(memory.chunk + memory.chunk_size);
    exc_info_ = &base_exception_;
  }

  // Whether the stack is inside a Context.run() of its own.
  bool has_private_context() const { return context_ != nullptr; }

  // Before enter(), for a stack with a private context. May run Python code.
  void rebase_private_context(PyThreadState* thread) {
    rebase_context(context_, followed_, thread->context);
  }

 protected:
  void enter(PyThreadState* thread, CommonResumer& resumer) {
    resumer.datastack_chunk = thread->datastack_chunk;
    resumer.datastack_top = thread->datastack_top;
    resumer.datastack_limit = thread->datastack_limit;
    thread->datastack_chunk = datastack_chunk_;
    thread->datastack_top = datastack_top_;
    thread->datastack_limit = datastack_limit_;

    resumer.exc_info = thread->exc_info;
    base_exception_.previous_item = resumer.exc_info;
    thread->exc_info = exc_info_;

    // A stack that is not inside a Context.run() of its own sees whatever context it is resumed
    // in, as a coroutine does: the thread state's reference stays where it is.
    resumer.context = thread->context;
    assert(resumer.context != nullptr);
    resumer.stack_was_private = context_ != nullptr;
    if (!resumer.stack_was_private) {
      followed_ = resumer.context;
    } else {
      thread->context = context_;
      context_ = nullptr;
      thread->context_ver++;
    }
  }

  void leave(PyThreadState* thread, CommonResumer& resumer) {
    datastack_chunk_ = thread->datastack_chunk;
    datastack_top_ = thread->datastack_top;
    datastack_limit_ = thread->datastack_limit;
    thread->datastack_chunk = resumer.datastack_chunk;
    thread->datastack_top = resumer.datastack_top;
    thread->datastack_limit = resumer.datastack_limit;

    exc_info_ = thread->exc_info;
    thread->exc_info = resumer.exc_info;
    base_exception_.previous_item = nullptr;

    PyObject* context = thread->context;
    if (context == resumer.context) {
      // The private one has been left, for a reference of the stack's own.
      if (resumer.stack_was_private) Py_DECREF(context);  // never the last one
    } else {
      // PyContext_Enter() has moved the shared reference into the private context.
      if (!resumer.stack_was_private) Py_INCREF(resumer.context);
      thread->context = resumer.context;
      context_ = context;
      thread->context_ver++;
    }
  }

  // After the work on the stack has ended: whether it left anything for finish_common() to drop.
  bool common_leftovers() const {
    assert(datastack_chunk_->previous == nullptr);
    assert(exc_info_ == &base_exception_);
    return base_exception_.exc_value != nullptr || context_ != nullptr;
  }

  // Drops what the work on the stack has left. Runs Python code.
  void finish_common() {
    Py_CLEAR(base_exception_.exc_value);
    Py_CLEAR(context_);
  }

 private:
  _PyStackChunk* datastack_chunk_ = nullptr;
  PyObject** datastack_top_ = nullptr;
  PyObject** datastack_limit_ = nullptr;
  // The list of handled exceptions ends here for this stack; linked to the resumer's while it
  // runs, so that code resumed inside an `except` block sees that exception as its context.
  _PyErr_StackItem base_exception_{};
  _PyErr_StackItem* exc_info_ = nullptr;
  PyObject* context_ = nullptr;   // owned; a context that only this stack is in
  PyObject* followed_ = nullptr;  // borrowed; the resumer's, in which that one was entered
};

// Python recursion, counted down from a limit that the program may change at any time. What a stack
// has used is kept as a depth, and counts on top of its resumer's depth while it runs.
class RecursionDepth {
 public:
  struct Resumer {
    int depth;
    int base;  // what the stack's own depth counts from
  };

  void enter(int limit, int& remaining, Resumer& resumer) {
    resumer.depth = limit - remaining;
    resumer.base = resumer.depth;
    int left = remaining - used_;
    if (left < 0) [[unlikely]] {
      // A deep stack that is resumed by deep code may exceed the limit. It gets RecursionError at
      // its next call, as long as the counter does not tell of more than CPython takes for
      // possible.
      resumer.base += left;
      left = 0;
    }
    remaining = left;
  }

  void leave(int limit, int& remaining, const Resumer& resumer) {
    used_ = limit - remaining - resumer.base;
    remaining = limit - resumer.depth;
  }

 private:
  int used_ = 0;
};

}  // namespace switchback::interpreter
