// What every supported minor keeps per stack in the same fields of PyThreadState.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "interpreter/python.hpp"

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

// What every stack is prepared with.
struct StackSettings {
  // Stands for the bottom of the stack's Python frames. Never freed: a leaked stack refers to it.
  PyCodeObject* base_code = nullptr;
  // How many C calls the interpreter may nest on the stack, where it counts them.
  int c_recursion_limit = 0;
};

// The resumer's values, kept on the resumer's own stack while another stack runs.
struct CommonResumer {
  _PyStackChunk* datastack_chunk;
  PyObject** datastack_top;
  PyObject** datastack_limit;
  _PyErr_StackItem* exc_info;
  PyObject* context;  // owned
};

// Python frames of sync functions live on a "data stack" made of chunks, the handled exceptions in
// a linked list, both with their ends in PyThreadState. Each of our stacks has ends of its own.
class CommonState {
 public:
  // Gives the stack its first data-stack chunk, in memory that belongs to the stack. CPython never
  // frees a chunk without a predecessor (push_chunk() and _PyThreadState_PopFrame() in
  // Python/pystate.c leave its first slot unused for that purpose).
  void prepare(std::byte* chunk, std::size_t size) {
    auto* root = ::new (chunk) _PyStackChunk{};
    root->previous = nullptr;
    root->size = size;
    root->top = 0;
    datastack_chunk_ = root;
    datastack_top_ = &root->data[1];
    datastack_limit_ = reinterpret_cast<PyObject**>(chunk + size);
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
    // in, as a coroutine does.
    resumer.context = thread->context;
    assert(resumer.context != nullptr);
    if (context_ == nullptr) {
      followed_ = resumer.context;
      thread->context = Py_NewRef(resumer.context);
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
    thread->context = resumer.context;
    if (context == resumer.context) {
      Py_DECREF(context);  // never the last reference: the thread state holds one
    } else {
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
    int owed;
  };

  void enter(int limit, int& remaining, Resumer& resumer) {
    resumer.depth = limit - remaining;
    const int left = remaining - used_;
    // A deep stack that is resumed by deep code may exceed the limit. It gets RecursionError at its
    // next call, as long as the counter does not tell of more than CPython takes for possible.
    resumer.owed = left < 0 ? -left : 0;
    remaining = left + resumer.owed;
  }

  void leave(int limit, int& remaining, const Resumer& resumer) {
    used_ = limit - remaining - resumer.depth + resumer.owed;
    remaining = limit - resumer.depth;
  }

 private:
  int used_ = 0;
};

// C code that runs directly on a stack can see the base frame: sys._getframe() makes a frame object
// for it. One that is still held when the work has ended gets a copy of the frame, as the
// interpreter does it for frames that return (take_ownership() in Python/frame.c).
inline void release_frame_object(_PyInterpreterFrame& base_frame, PyCodeObject* base_code) {
  PyFrameObject* object = base_frame.frame_obj;
  if (object == nullptr) return;
  if (Py_REFCNT(object) > 1) {
    auto* copy = reinterpret_cast<_PyInterpreterFrame*>(object->_f_frame_data);
    std::memcpy(static_cast<void*>(copy), &base_frame, offsetof(_PyInterpreterFrame, localsplus));
    copy->previous = nullptr;
    copy->owner = FRAME_OWNED_BY_FRAME_OBJECT;
    copy->f_locals = nullptr;
    Py_INCREF(base_code);  // the copy's reference; the base frame's is never counted
    object->f_frame = copy;
  }
  base_frame.frame_obj = nullptr;
  Py_DECREF(object);
}

// Creates the thread's context if it has none yet, so that every switch finds one.
inline bool ensure_context(PyThreadState* thread) {
  if (thread->context != nullptr) return true;
  PyObject* copy = PyContext_CopyCurrent();
  Py_XDECREF(copy);
  return copy != nullptr;
}

}  // namespace switchback::interpreter
