// What every part of a stack's interpreter state has to do, and the state that is made of them.
//
// A part is a class for some fields of PyThreadState that belong to a stack:
//
//   struct Resumer             the resumer's values of these fields, while the stack runs.
//   prepare(memory, settings)  once per stack: the values of a stack on which nothing runs yet.
//   enter(thread_state, resumer)
//                              just before the jump to the stack: saves the thread state's values
//                              in `resumer`, and loads this stack's.
//   leave(thread_state, resumer)
//                              just after the jump back: the reverse.
//   innermost_frame(thread_state)
//                              for the part that has it: the last frame of a stack that does not
//                              run, as an object; nullptr without an exception if it has none.
//   suspended_frame()          for that part: the same frame, as the interpreter has it.
//   traverse(visit, arg)       for parts that own references: shows them to the garbage collector,
//                              while the stack is suspended.
//   has_leftovers(), finish()  after the work on the stack has ended and leave() was called: is
//                              there something left in these fields, and dropping that.
//
// enter() and leave() are called on the resumer's stack, with no exception set. They neither
// allocate nor run Python code, as the thread state is inconsistent in between. finish() runs
// Python code. No part looks at another one's fields, so their order does not matter.
#pragma once

#include "interpreter/python.hpp"
#include "interpreter/stack_settings.hpp"

struct _PyInterpreterFrame;

namespace switchback::interpreter {

// For parts that have nothing of the kind.
struct NothingToPrepare {
  static void prepare(const StackMemory&, const StackSettings&) {}
};
struct NothingLeft {
  static constexpr bool has_leftovers() { return false; }
  static void finish() {}
};

template <typename... Parts>
class StackStateOf : private Parts... {
 public:
  // Lies on the resumer's own stack.
  struct Resumer : Parts::Resumer... {};

  void prepare(const StackMemory& memory, const StackSettings& settings) {
    (Parts::prepare(memory, settings), ...);
  }
  void enter(PyThreadState* thread_state, Resumer& resumer) {
    (Parts::enter(thread_state, static_cast<typename Parts::Resumer&>(resumer)), ...);
  }
  void leave(PyThreadState* thread_state, Resumer& resumer) {
    (Parts::leave(thread_state, static_cast<typename Parts::Resumer&>(resumer)), ...);
  }
  PyObject* innermost_frame(PyThreadState* thread_state) const {
    PyObject* frame = nullptr;
    (find_frame<Parts>(thread_state, frame), ...);
    return frame;
  }
  auto* suspended_frame() const {
    _PyInterpreterFrame* frame = nullptr;
    (find_suspended_frame<Parts>(frame), ...);
    return frame;
  }
  int traverse(visitproc visit, void* arg) const {
    int failed = 0;
    (void)((failed = visit_part<Parts>(visit, arg), failed != 0) || ...);
    return failed;
  }
  bool has_leftovers() const { return (Parts::has_leftovers() || ...); }
  void finish() { (Parts::finish(), ...); }

  template <typename Part>
  Part& part() {
    return *this;
  }

 private:
  template <typename Part>
  void find_frame(PyThreadState* thread_state, PyObject*& frame) const {
    if constexpr (requires { &Part::innermost_frame; }) frame = Part::innermost_frame(thread_state);
  }
  template <typename Part>
  void find_suspended_frame(_PyInterpreterFrame*& frame) const {
    if constexpr (requires { &Part::suspended_frame; }) frame = Part::suspended_frame();
  }
  template <typename Part>
  int visit_part(visitproc visit, void* arg) const {
    if constexpr (requires { &Part::traverse; }) return Part::traverse(visit, arg);
    return 0;
  }
};

}  // namespace switchback::interpreter
