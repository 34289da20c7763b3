// What a frame has on its value stack.
#pragma once

#include "interpreter/python_frames.hpp"

namespace switchback::interpreter {

// What stands there in a frame that is amid a call, counted from the bottom; borrowed, or nullptr
// for nothing, and for no object. The caller knows from the code that the frame has put it there.
#ifdef SWITCHBACK_UNKNOWN_MINOR
inline PyObject* value_on_stack(PyObject*, int) { return nullptr; }
#else
inline PyObject* value_on_stack(PyObject* object, int index) {
  const _PyInterpreterFrame* const frame = reinterpret_cast<PyFrameObject*>(object)->f_frame;
  PyCodeObject* const code = PyFrame_GetCode(reinterpret_cast<PyFrameObject*>(object));
  const int place = code->co_nlocalsplus + index;
  const bool is_there = index >= 0 && index < code->co_stacksize;
  Py_DECREF(code);  // the frame has it
  if (!is_there) return nullptr;
  return object_in(frame->localsplus[place]);
}
#endif

}  // namespace switchback::interpreter
