// The incomplete Python frame that each stack begins with: how it looks, and how it goes.
#pragma once

#include <cstddef>
#include <cstring>

#include "interpreter/internals.hpp"

namespace switchback::interpreter {

// The interpreter skips it when it shows frames. Linking it to the resumer's frame is what
// continues sys._getframe() and f_back past a portal, without walking or rewriting the frames in
// between.
//
// Its code is borrowed for good: it is that of StackSettings.
class BaseFrame {
 public:
#if PY_VERSION_HEX >= 0x030E0000
  // By its owner it is incomplete, whatever else it says; sys._getframe() shows it nevertheless.
  void prepare(PyCodeObject* code) {
    frame_.owner = FRAME_OWNED_BY_INTERPRETER;
    frame_.f_executable = PyStackRef_FromPyObjectSteal(reinterpret_cast<PyObject*>(code));
    frame_.f_funcobj = PyStackRef_NULL;
    frame_.instr_ptr = reinterpret_cast<_Py_CODEUNIT*>(code->co_code_adaptive);
    frame_.stackpointer = frame_.localsplus;
  }
#else
  // Before the first instruction that a debugger would stop at, it is incomplete.
  void prepare(PyCodeObject* code) {
    frame_.owner = FRAME_OWNED_BY_THREAD;
    frame_.stacktop = 0;
#if PY_VERSION_HEX >= 0x030D0000
    frame_.f_executable = reinterpret_cast<PyObject*>(code);
    frame_.instr_ptr = _PyCode_CODE(code) - 1;
#else
    frame_.f_code = code;
    frame_.prev_instr = _PyCode_CODE(code) - 1;
#endif
  }
#endif

  // Whether an incomplete frame is one of these. No other calls anything where this one stands.
  static bool is_one(const _PyInterpreterFrame* frame) {
#if PY_VERSION_HEX >= 0x030E0000
    // Those of the interpreter have no code.
    return frame->owner == FRAME_OWNED_BY_INTERPRETER && !PyStackRef_IsNone(frame->f_executable);
#elif PY_VERSION_HEX >= 0x030D0000
    return frame->instr_ptr ==
           _PyCode_CODE(reinterpret_cast<PyCodeObject*>(frame->f_executable)) - 1;
#else
    return frame->prev_instr == _PyCode_CODE(frame->f_code) - 1;
#endif
  }

  _PyInterpreterFrame* get() { return &frame_; }
  const _PyInterpreterFrame* get() const { return &frame_; }

  void link(_PyInterpreterFrame* below) { frame_.previous = below; }
  void unlink() { frame_.previous = nullptr; }

  // C code that runs directly on a stack can see the frame: sys._getframe() makes a frame object
  // for it.
  bool has_object() const { return frame_.frame_obj != nullptr; }

  // An object that is still held when the work has ended gets a copy of the frame, as the
  // interpreter does it for frames that return (take_ownership() in Python/frame.c).
  void release_object() {
    PyFrameObject* object = frame_.frame_obj;
    if (object == nullptr) return;
    if (Py_REFCNT(object) > 1) {
      auto* copy = reinterpret_cast<_PyInterpreterFrame*>(object->_f_frame_data);
      std::memcpy(static_cast<void*>(copy), &frame_, offsetof(_PyInterpreterFrame, localsplus));
      copy->previous = nullptr;
      copy->owner = FRAME_OWNED_BY_FRAME_OBJECT;
      copy->f_locals = nullptr;
#if PY_VERSION_HEX >= 0x030E0000
      copy->stackpointer = copy->localsplus;
#endif
      Py_INCREF(code());  // the copy's reference; the base frame's is never counted
      object->f_frame = copy;
    }
    frame_.frame_obj = nullptr;
    Py_DECREF(object);
  }

  PyCodeObject* code() const {
#if PY_VERSION_HEX >= 0x030E0000
    return reinterpret_cast<PyCodeObject*>(PyStackRef_AsPyObjectBorrow(frame_.f_executable));
#elif PY_VERSION_HEX >= 0x030D0000
    return reinterpret_cast<PyCodeObject*>(frame_.f_executable);
#else
    return frame_.f_code;
#endif
  }

 private:
  _PyInterpreterFrame frame_{};
};

}  // namespace switchback::interpreter
