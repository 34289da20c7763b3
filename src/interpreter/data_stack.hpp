// Part: the data stack, on which the frames of synchronous Python functions lie.
#pragma once

#include <cassert>
#include <new>

#include "interpreter/stack_part.hpp"

namespace switchback::interpreter {

// It is a list of chunks, with its end in the thread state.
class DataStack {
 public:
  struct Resumer {
    _PyStackChunk* chunk;
    PyObject** top;
    PyObject** limit;
  };

  // The first chunk lies in memory that belongs to the stack. CPython never frees a chunk without a
  // predecessor (push_chunk() and _PyThreadState_PopFrame() in Python/pystate.c leave its first
  // slot unused for that purpose).
  void prepare(const StackMemory& memory, const StackSettings&) {
    auto* root = ::new (memory.chunk) _PyStackChunk{};
    root->previous = nullptr;
    root->size = memory.chunk_size;
    root->top = 0;
    chunk_ = root;
    top_ = &root->data[1];
    limit_ = reinterpret_cast<PyObject**>(memory.chunk + memory.chunk_size);
  }

  void enter(PyThreadState* thread_state, Resumer& resumer) const {
    resumer.chunk = thread_state->datastack_chunk;
    resumer.top = thread_state->datastack_top;
    resumer.limit = thread_state->datastack_limit;
    thread_state->datastack_chunk = chunk_;
    thread_state->datastack_top = top_;
    thread_state->datastack_limit = limit_;
  }

  void leave(PyThreadState* thread_state, const Resumer& resumer) {
    chunk_ = thread_state->datastack_chunk;
    top_ = thread_state->datastack_top;
    limit_ = thread_state->datastack_limit;
    thread_state->datastack_chunk = resumer.chunk;
    thread_state->datastack_top = resumer.top;
    thread_state->datastack_limit = resumer.limit;
  }

  // Frames that return give their chunks back.
  bool has_leftovers() const {
    assert(chunk_->previous == nullptr);
    return false;
  }
  static void finish() {}

 private:
  _PyStackChunk* chunk_ = nullptr;
  PyObject** top_ = nullptr;
  PyObject** limit_ = nullptr;
};

}  // namespace switchback::interpreter
