// Python frames on the running stack, as tools are told of them, for the minors that are known:
// which there are, what each executes, and how one can be made to look otherwise for a moment.
#pragma once

#include "interpreter/python.hpp"

#ifndef SWITCHBACK_UNKNOWN_MINOR
#define SWITCHBACK_KNOWS_FRAMES 1
#else
#define SWITCHBACK_KNOWS_FRAMES 0
#endif

namespace switchback::interpreter {

// Whether what follows is there.
inline constexpr bool knows_frames = SWITCHBACK_KNOWS_FRAMES != 0;

}  // namespace switchback::interpreter

#if SWITCHBACK_KNOWS_FRAMES
#include <utility>

#include "interpreter/base_frame.hpp"

namespace switchback::interpreter {

using PythonFrame = _PyInterpreterFrame;

inline PythonFrame*& current_frame(PyThreadState* thread_state) {
#if PY_VERSION_HEX >= 0x030D0000
  return thread_state->current_frame;
#else
  return thread_state->cframe->current_frame;
#endif
}

inline PyCodeObject* code_of(const PythonFrame* frame) {
#if PY_VERSION_HEX >= 0x030E0000
  return reinterpret_cast<PyCodeObject*>(PyStackRef_AsPyObjectBorrow(frame->f_executable));
#elif PY_VERSION_HEX >= 0x030D0000
  return reinterpret_cast<PyCodeObject*>(frame->f_executable);
#else
  return frame->f_code;
#endif
}

inline _Py_CODEUNIT* units_of(PyCodeObject* code) {
  return reinterpret_cast<_Py_CODEUNIT*>(code->co_code_adaptive);
}

inline _Py_CODEUNIT*& instruction_of(PythonFrame* frame) {
#if PY_VERSION_HEX >= 0x030D0000
  return frame->instr_ptr;
#else
  return frame->prev_instr;
#endif
}

// Whether the interpreter hides it: it has just begun, or stands for what calls Python code.
inline bool is_incomplete(PythonFrame* frame) {
#if PY_VERSION_HEX >= 0x030E0000
  if (frame->owner >= FRAME_OWNED_BY_INTERPRETER) return true;
  PyCodeObject* const code = code_of(frame);
  return frame->owner != FRAME_OWNED_BY_GENERATOR &&
         frame->instr_ptr < units_of(code) + code->_co_firsttraceable;
#else
  return _PyFrame_IsIncomplete(frame);
#endif
}

// Whether a run of the evaluation loop begins with it.
inline bool is_entry(const PythonFrame* frame) {
#if PY_VERSION_HEX >= 0x030E0000
  return frame->owner == FRAME_OWNED_BY_INTERPRETER && !BaseFrame::is_one(frame);
#elif PY_VERSION_HEX >= 0x030C0000
  return frame->owner == FRAME_OWNED_BY_CSTACK;
#else
  return frame->is_entry;
#endif
}

// The index of the instruction that a frame of the running stack executes, in code units.
inline int unit_of(PythonFrame* frame) {
  return static_cast<int>(instruction_of(frame) - units_of(code_of(frame)));
}

// The complete frames of the running stack, the innermost first, down to the one that the stack
// begins with: of ours, or of another library, which ends in nothing.
class FrameWalk {
 public:
  // In a C function that has been called from the innermost frame.
  explicit FrameWalk(PyThreadState* thread_state) : frame_(current_frame(thread_state)) {
    find_complete();
  }

  PythonFrame* frame() const { return frame_; }
  // Whether the frame has called a C function: one that has called back, or the running one.
  bool called_c() const { return called_c_; }

  void next() {
#if PY_VERSION_HEX >= 0x030C0000
    called_c_ = false;
#else
    called_c_ = is_entry(frame_);
#endif
    frame_ = frame_->previous;
    find_complete();
  }

 private:
  void find_complete() {
    for (; frame_ != nullptr; frame_ = frame_->previous) {
#if PY_VERSION_HEX >= 0x030C0000
      if (is_entry(frame_)) {
        called_c_ = true;
        continue;
      }
#endif
      if (!is_incomplete(frame_)) return;
      if (BaseFrame::is_one(frame_)) {
        frame_ = nullptr;
        return;
      }
    }
  }

  PythonFrame* frame_;
  bool called_c_ = true;
};

// What stands in one of the places of a frame, to be compared only.
#if PY_VERSION_HEX >= 0x030E0000
using FrameSlot = _PyStackRef;
inline PyObject* object_in(FrameSlot slot) {
  if (PyStackRef_IsNull(slot) || PyStackRef_IsTaggedInt(slot)) return nullptr;
  return PyStackRef_AsPyObjectBorrow(slot);
}
#else
using FrameSlot = PyObject*;
inline PyObject* object_in(FrameSlot slot) { return slot; }
#endif

// What stands on a frame's value stack at a call, or nullptr. To be compared only: the call may
// have ended, where a finalizer runs after it, and then the slots refer to what may be gone.
struct CallOnStack {
  const PyObject* callable = nullptr;
  const PyObject* first = nullptr;  // the first argument, where it is known
};

// A local variable of the frame that is that object, which is alive then; borrowed, or nullptr.
inline PyObject* local_that_is(const PythonFrame* frame, const PyObject* object) {
  for (int i = 0; object != nullptr && i < code_of(frame)->co_nlocalsplus; ++i) {
    if (object_in(frame->localsplus[i]) == object) return object_in(frame->localsplus[i]);
  }
  return nullptr;
}

// `place` is the lowest of the call's slots, counted from the bottom of the value stack.
inline CallOnStack call_on_stack(const PythonFrame* frame, int place, bool unpacks,
                                 bool has_arguments) {
  const FrameSlot* slots = frame->localsplus + code_of(frame)->co_nlocalsplus + place;
  // What is unpacked has been replaced by a tuple, which may not have been put in its place.
#if PY_VERSION_HEX >= 0x030D0000
  // callable, self or NULL, arguments
  PyObject* const callable = object_in(slots[0]);
  if (unpacks) return {callable, nullptr};
  PyObject* const self = object_in(slots[1]);
  return {callable, self != nullptr ? self : has_arguments ? object_in(slots[2]) : nullptr};
#else
  // method, self, arguments; or NULL, callable, arguments
  if (unpacks) return {slots[1], nullptr};
  if (slots[0] != nullptr) return {slots[0], slots[1]};
  return {slots[1], has_arguments ? slots[2] : nullptr};
#endif
}

// Has a frame of the running stack be the current one, for as long as it lives.
class CurrentFrameScope {
 public:
  CurrentFrameScope(PyThreadState* thread_state, PythonFrame* frame)
      : thread_state_(thread_state), saved_(std::exchange(current_frame(thread_state), frame)) {}
  ~CurrentFrameScope() { current_frame(thread_state_) = saved_; }
  CurrentFrameScope(const CurrentFrameScope&) = delete;
  CurrentFrameScope& operator=(const CurrentFrameScope&) = delete;

 private:
  PyThreadState* thread_state_;
  PythonFrame* saved_;
};

// Has a frame look as if it executed other code, in the same line, for as long as it lives. The
// code begins as that of the frame, up to YIELD_VALUE at `yield_unit`, and RESUME after it.
class StandInScope {
 public:
  StandInScope(PythonFrame* frame, PyFrameObject* object, PyObject* code, int yield_unit,
               [[maybe_unused]] bool resumed)
      : frame_(frame),
        object_(object),
        code_(frame_code(frame)),
        instruction_(instruction_of(frame)),
        line_(std::exchange(object->f_lineno, PyFrame_GetLineNumber(object))) {
    _Py_CODEUNIT* const yield = units_of(reinterpret_cast<PyCodeObject*>(code)) + yield_unit;
#if PY_VERSION_HEX >= 0x030E0000
    frame_code(frame) = PyStackRef_FromPyObjectBorrow(code);
#elif PY_VERSION_HEX >= 0x030D0000
    frame_code(frame) = code;
#else
    frame_code(frame) = reinterpret_cast<PyCodeObject*>(code);
#endif
#if PY_VERSION_HEX >= 0x030D0000
    instruction_of(frame) = yield + 1;
#else
    instruction_of(frame) = yield + (resumed ? 1 : 0);
#endif
  }
  ~StandInScope() {
    frame_code(frame_) = code_;
    instruction_of(frame_) = instruction_;
    object_->f_lineno = line_;
  }
  StandInScope(const StandInScope&) = delete;
  StandInScope& operator=(const StandInScope&) = delete;

 private:
#if PY_VERSION_HEX >= 0x030E0000
  using FrameCode = _PyStackRef;
#elif PY_VERSION_HEX >= 0x030D0000
  using FrameCode = PyObject*;
#else
  using FrameCode = PyCodeObject*;
#endif
  static FrameCode& frame_code(PythonFrame* frame) {
#if PY_VERSION_HEX >= 0x030D0000
    return frame->f_executable;
#else
    return frame->f_code;
#endif
  }

  PythonFrame* frame_;
  PyFrameObject* object_;
  FrameCode code_;
  _Py_CODEUNIT* instruction_;
  int line_;
};

// The function that a debugger has set on a frame; borrowed, or nullptr.
inline PyObject* trace_of(PyObject* frame) {
  return reinterpret_cast<PyFrameObject*>(frame)->f_trace;
}

// Has tools be called on the stacks that run from here on, where the running one is suspended while
// a tool is being called, for as long as it lives. The count belongs to the thread.
class TracingPause {
 public:
  explicit TracingPause(PyThreadState* thread_state)
      : thread_state_(thread_state), tracing_(thread_state->tracing) {
    if (tracing_ != 0) set(0);
  }
  ~TracingPause() {
    if (tracing_ != 0) set(tracing_);
  }
  TracingPause(const TracingPause&) = delete;
  TracingPause& operator=(const TracingPause&) = delete;

 private:
  void set(int tracing) {
    thread_state_->tracing = tracing;
#if PY_VERSION_HEX < 0x030C0000
    const bool traced =
        thread_state_->c_tracefunc != nullptr || thread_state_->c_profilefunc != nullptr;
    thread_state_->cframe->use_tracing = tracing == 0 && traced ? 255 : 0;
#endif
  }

  PyThreadState* thread_state_;
  int tracing_;
};

// What a thread keeps with a code object; nullptr if nothing.
inline Py_ssize_t request_code_extra(freefunc free) {
#if PY_VERSION_HEX >= 0x030C0000
  return PyUnstable_Eval_RequestCodeExtraIndex(free);
#else
  return _PyEval_RequestCodeExtraIndex(free);
#endif
}
inline void* code_extra(PyCodeObject* code, Py_ssize_t index) {
  void* extra = nullptr;
#if PY_VERSION_HEX >= 0x030C0000
  PyUnstable_Code_GetExtra(reinterpret_cast<PyObject*>(code), index, &extra);
#else
  _PyCode_GetExtra(reinterpret_cast<PyObject*>(code), index, &extra);
#endif
  return extra;
}
// Returns false with an exception set on failure.
inline bool set_code_extra(PyCodeObject* code, Py_ssize_t index, void* extra) {
#if PY_VERSION_HEX >= 0x030C0000
  return PyUnstable_Code_SetExtra(reinterpret_cast<PyObject*>(code), index, extra) == 0;
#else
  return _PyCode_SetExtra(reinterpret_cast<PyObject*>(code), index, extra) == 0;
#endif
}

}  // namespace switchback::interpreter
#endif
