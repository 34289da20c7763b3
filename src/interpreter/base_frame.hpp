// The incomplete Python frame at the bottom of a stack, where something has looked at it.
#pragma once

#include <cstddef>
#include <cstring>

#include "interpreter/internals.hpp"

namespace switchback::interpreter {

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
#if PY_VERSION_HEX >= 0x030E0000
    copy->stackpointer = copy->localsplus;
#endif
    Py_INCREF(base_code);  // the copy's reference; the base frame's is never counted
    object->f_frame = copy;
  }
  base_frame.frame_obj = nullptr;
  Py_DECREF(object);
}

}  // namespace switchback::interpreter
