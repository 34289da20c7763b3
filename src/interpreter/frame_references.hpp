// What the Python frames of a suspended stack refer to, as far as that is certain: for the garbage
// collector, to which what it is not shown counts as alive.
#pragma once

#include <cstdint>

#include "interpreter/python_frames.hpp"

namespace switchback::interpreter {

// The await_() that has suspended a stack: the function, as an object, and what it may have been
// given. All are compared only.
struct AwaitCall {
  const PyObject* function;
  const PyObject* arguments[2];

  bool is_given(const PyObject* object) const {
    return object != nullptr && (object == arguments[0] || object == arguments[1]);
  }
};

#if SWITCHBACK_KNOWS_FRAMES

// Whether this release of the interpreter is one of those for which that is certain.
bool can_show_frames();

// Shows the collector's `visit` what the frames own, from the innermost to the one that the stack
// begins with, but for what generators and coroutines show themselves. Each reference once. In any
// thread, with the GIL; no Python code runs. There are no frames beyond that of `outermost`, if it
// is a generator or coroutine.
int visit_frames(PythonFrame* innermost, const PyObject* outermost, const AwaitCall& call,
                 visitproc visit, void* arg);

// Marks which of the generators and coroutines on a suspended stack the collector is not to
// finalize, in this order: those that execute, the innermost first; then `others`, if they are
// generators or coroutines. Returns those that were not marked before, a bit for each; unmark_
// takes that. Past 64 they stay as they are.
std::uint64_t mark_generators(PythonFrame* innermost, PyObject* const (&others)[2]);
void unmark_generators(PythonFrame* innermost, PyObject* const (&others)[2], std::uint64_t marks);

#endif

}  // namespace switchback::interpreter
