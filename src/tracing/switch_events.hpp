// Telling tools of a suspension inside of a C function: what they would be told of coroutines.
//
// A chain of coroutines that is suspended shows each of its frames returning, the innermost first,
// and being called again, the outermost first, when it is resumed. Tools pair calls with returns.
// So the frames on a stack that is switched have to show the same, and the C calls between them
// too.
#pragma once

#include <cstddef>

#include "interpreter/monitoring.hpp"
#include "interpreter/ref.hpp"
#include "tracing/gate.hpp"

#if SWITCHBACK_KNOWS_FRAMES
namespace switchback::tracing {

using interpreter::PythonFrame;
using interpreter::Ref;

// One suspension of the running stack, on which it lies. All of this runs Python code, and is done
// with no exception set.
class Suspension {
 public:
  // `call_is_told`: whether tools were told of the call of the function that suspends the stack, as
  // they are going to be told of its return then.
  explicit Suspension(bool call_is_told) : call_is_told_(call_is_told) {}
  ~Suspension();
  Suspension(const Suspension&) = delete;
  Suspension& operator=(const Suspension&) = delete;

  // Just before the switch. `trap` (borrowed) is what the frames seem to yield. Returns false with
  // an exception set, where a tool has raised one.
  bool tell_suspended(PyThreadState* thread_state, PyObject* trap);

  // Just after the switch back. Returns false with an exception set, likewise.
  bool tell_resumed(PyThreadState* thread_state);

 private:
  struct Entry {
    PythonFrame* frame;
    bool called_c;
    // The C call that tools were told of, if so.
    Ref callable;
    Ref first;
  };

  bool list_frames(PyThreadState* thread_state);
  void find_call(PyThreadState* thread_state, std::size_t index);
  bool tell_suspended(PyThreadState* thread_state, const Entry& entry, PyObject* trap);
  bool tell_resumed(PyThreadState* thread_state, const Entry& entry);

  const bool call_is_told_;
  Entry* entries_ = nullptr;  // the innermost first
  std::size_t count_ = 0;
};

// In a C function that has just been called: whether tools were told of that.
bool is_call_told(PyThreadState* thread_state);

// Whether debuggers are to be told where await ends.
inline bool tells_completions(const PyThreadState* thread_state) {
  return thread_state->tracing == 0 && (thread_state->c_tracefunc != nullptr ||
                                        (interpreter::told_tools() & interpreter::debuggers) != 0);
}

// In a C function that has awaited a coroutine of this frame (a frame object), which has returned
// `value`. Where a debugger was in the coroutine, `await` shows it a StopIteration in its caller,
// by which it stops there. Returns false with an exception set, where a tool has raised one.
bool tell_completed(PyThreadState* thread_state, PyObject* frame, PyObject* value);

}  // namespace switchback::tracing
#endif
