// What telling tools of a suspension needs to know of a code object, found out once for each.
#pragma once

#include <cstddef>

#include "interpreter/python_frames.hpp"
#include "interpreter/ref.hpp"

#if SWITCHBACK_KNOWS_FRAMES
namespace switchback::tracing {

using interpreter::Ref;

// Lies behind the code object, and goes with it. The work is done in Python, in the module
// switchback._code_facts.
class CodeFacts {
 public:
  // Where a call has its slots on the value stack.
  struct Call {
    int unit;  // of the instruction
    int place;
    bool unpacks;
    bool has_arguments;
  };

  // nullptr where they cannot be had; never with an exception set. Runs Python code the first time
  // that it sees a code object.
  static const CodeFacts* of(PyCodeObject* code);

  // The code that a frame seems to execute that waits, up to YIELD_VALUE at yield_unit(); or
  // nullptr.
  PyObject* stand_in() const { return stand_in_.get(); }
  int yield_unit() const { return yield_unit_; }

  // One of the C functions that the code may call which is that object, if so. `object` is only
  // compared, and may be gone; borrowed.
  PyObject* function_that_is(const PyObject* object) const;

  // The call by the instruction at `unit`, or nullptr.
  const Call* call_at(int unit) const;

 private:
  CodeFacts(Ref stand_in, int yield_unit, Ref functions, std::size_t count)
      : stand_in_(std::move(stand_in)),
        yield_unit_(yield_unit),
        functions_(std::move(functions)),
        count_(count) {}
  static CodeFacts* find(PyCodeObject* code);
  static CodeFacts* make(PyObject* found);
  static void free(void* facts);
  Call* calls() { return reinterpret_cast<Call*>(this + 1); }
  const Call* calls() const { return reinterpret_cast<const Call*>(this + 1); }

  Ref stand_in_;
  int yield_unit_;
  Ref functions_;      // a list
  std::size_t count_;  // of the calls, which lie behind the object, in the order of their units
};

// Has the code of the running stacks tell of all events that tools want
// (interpreter::lacks_events). Runs Python code; never leaves an exception set.
void instrument_running_code();

}  // namespace switchback::tracing
#endif
