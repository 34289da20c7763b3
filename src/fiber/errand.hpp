// Errands: what a step has done on the thread's own stack, and await_() meanwhile.
#pragma once

#include <new>

#include "interpreter/ref.hpp"

namespace switchback::fiber {

using interpreter::Ref;

// Where code runs on the thread's own stack, of which another library copies parts away and back:
// its greenlets, and how to switch between them.
class Places {
 public:
  // Where we are; an empty reference with an exception set on failure.
  virtual Ref current() const = 0;

  // Goes on at `place`. Returns what this place is given when something switches back to it; or an
  // empty reference with an exception set. What may switch: this does.
  virtual Ref switch_to(PyObject* place) const = 0;

  // Sets the exception for a place which `what_it_does`, and to which something else than the
  // portal has switched.
  virtual void refuse_switch(const char* what_it_does) const = 0;

 protected:
  ~Places() = default;
};

// A call, of what another library is asked for.
struct Call {
  PyObject* (*function)(void* argument);
  void* argument;

  PyObject* operator()() const { return function(argument); }
};

// An await_() in a place: shared by that place and the step that it belongs to, either of which may
// be gone before the other. It does not lie on the stack of the place, which may be copied away
// when the step looks at it.
class Waiting {
 public:
  enum class State : unsigned char {
    waiting,    // for the portal to be resumed
    resumed,    // by the portal, and on the way to the place
    continued,  // by the portal
    forgotten,  // by either side: the place was switched to by something else, or is gone
  };

  // `place` is borrowed. nullptr, without an exception, if there is no memory.
  static Waiting* create(PyObject* place) { return new (std::nothrow) Waiting(place); }

  // To begin with, both sides hold it.
  void release() {
    if (--holders_ == 0) delete this;
  }

  State state = State::waiting;
  bool delivered = false;  // whether the trap has reached who runs the step
  Ref place;

 private:
  explicit Waiting(PyObject* where) : place(Ref::borrow(where)) {}
  int holders_ = 2;
};

class StackFiber;

// Asked on the stack of a step around each of its errands: what is done there may leave something
// behind that goes on when the errand is done.
struct ErrandWatch {
  bool (*before)(const StackFiber&);  // whether to call `after`
  void (*after)(const StackFiber&);   // no exception is set
};

// Lies on the stack of the step, which waits for it to be done.
struct Errand {
  const Call call;
  const Places& places;
  // Whether it is the step's own, and not that of a step inside this one, on another stack.
  const bool is_own;

  PyObject* resumer = nullptr;  // borrowed: the place that runs it; nullptr while none does
  Waiting* waiting = nullptr;   // held: while await_() suspends the step from such a place
  PyObject* result = nullptr;   // owned, in transit
  PyObject* raised = nullptr;   // likewise
};

}  // namespace switchback::fiber
