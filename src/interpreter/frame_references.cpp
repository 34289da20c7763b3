// Walking the frames of a suspended stack for the garbage collector.
#include "interpreter/frame_references.hpp"

#if SWITCHBACK_KNOWS_FRAMES
#include <cstddef>

#include "interpreter/stack_depths.hpp"

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#undef _PyGC_FINALIZED
#include <internal/pycore_gc.h>
#undef Py_BUILD_CORE

namespace switchback::interpreter {
namespace {

bool belongs_to_generator(const PythonFrame* frame) {
  return frame->owner == FRAME_OWNED_BY_GENERATOR;
}

PyObject* generator_of(PythonFrame* frame) {
  constexpr std::size_t offset = offsetof(PyGenObject, gi_iframe);
  return reinterpret_cast<PyObject*>(reinterpret_cast<char*>(frame) - offset);
}

// Whether there is nothing in a frame: it stands for C code that calls Python.
bool is_empty(const PythonFrame* frame) {
#if PY_VERSION_HEX >= 0x030E0000
  return frame->owner >= FRAME_OWNED_BY_INTERPRETER;
#elif PY_VERSION_HEX >= 0x030C0000
  return frame->owner == FRAME_OWNED_BY_CSTACK || BaseFrame::is_one(frame);
#else
  return BaseFrame::is_one(frame);
#endif
}

// The next frame further out that is the stack's own, or nullptr.
PythonFrame* next_frame(PythonFrame* frame) {
  for (; frame != nullptr; frame = frame->previous) {
    if (!is_empty(frame)) return frame;
#if PY_VERSION_HEX >= 0x030E0000
    if (BaseFrame::is_one(frame)) return nullptr;
#else
    if (frame->owner == FRAME_OWNED_BY_THREAD) return nullptr;
#endif
  }
  return nullptr;
}

#if PY_VERSION_HEX >= 0x030E0000

int visit_slot(_PyStackRef slot, visitproc visit, void* arg) {
  // One without a count of its own is borrowed from another slot of the stack.
  if (PyStackRef_IsNull(slot) || PyStackRef_IsTaggedInt(slot)) return 0;
  if (!PyStackRef_RefcountOnObject(slot)) return 0;
  PyObject* const object = PyStackRef_AsPyObjectBorrow(slot);
  return object == nullptr ? 0 : visit(object, arg);
}

// The interpreter notes how far the value stack is in use before it calls what may look at it.
int visit_frame(PythonFrame* frame, const PythonFrame*, const AwaitCall&, visitproc visit,
                void* arg) {
  if (belongs_to_generator(frame)) return 0;
  Py_VISIT(frame->frame_obj);
  Py_VISIT(frame->f_locals);
  if (const int failed = visit_slot(frame->f_funcobj, visit, arg)) return failed;
  for (const _PyStackRef* slot = frame->localsplus; slot < frame->stackpointer; ++slot) {
    if (const int failed = visit_slot(*slot, visit, arg)) return failed;
  }
  return 0;
}

#else

PyObject* function_of(const PythonFrame* frame) {
#if PY_VERSION_HEX >= 0x030C0000
  return frame->f_funcobj;
#else
  return reinterpret_cast<PyObject*>(frame->f_func);
#endif
}

int visit_slots(PyObject* const* begin, PyObject* const* end, visitproc visit, void* arg) {
  for (; begin < end; ++begin) Py_VISIT(*begin);
  return 0;
}

// What is on top of the value stack of a frame that has called C, and is certainly owned: as long
// as what the instruction began with goes on, that is what it takes. Else it may have ended:
// arguments are being dropped, or everything down to where an exception is going to be handled, and
// `inner` is the finalizer of one. `inner` is the next frame further in, or nullptr.
class CallUnderWay {
 public:
  CallUnderWay(PythonFrame* frame, PythonFrame* inner, const AwaitCall& call)
      : inner_(inner), slots_(frame->localsplus + code_of(frame)->co_nlocalsplus) {
    const StackDepths* const depths = StackDepths::of(code_of(frame));
    if (depths == nullptr) return;
    place_ = depths->at(unit_of(frame));
    PyObject** const end = slots_ + place_.depth;
    switch (place_.kind) {
      case StackDepths::Kind::call:
        find_call(end - (place_.has_names ? 1 : 0), call);
        break;
      case StackDepths::Kind::send:
        if (runs_generator(end[-2])) show(end - 1, end - 1);
        break;
      case StackDepths::Kind::for_iter:
        if (runs_generator(end[-1]) || runs_next(end[-1])) show(end, end);
        break;
      case StackDepths::Kind::other:
        break;
    }
  }

  int traverse(visitproc visit, void* arg) const {
    if (below_ == nullptr) return visit_slots(slots_, slots_ + place_.handled, visit, arg);
    if (const int failed = visit_slots(slots_, below_, visit, arg)) return failed;
    return visit_slots(arguments_, arguments_end_, visit, arg);
  }

 private:
  // All up to `below`, and the arguments.
  void show(PyObject** below, PyObject** arguments, int count = 0) {
    below_ = below;
    arguments_ = arguments;
    arguments_end_ = arguments + count;
  }

  // The callable and the slot beside it are left out: those who are called may lend them a value.
  void find_call(PyObject** end, const AwaitCall& call) {
    const int count = place_.arguments;
    PyObject** const arguments = end - count;
    bool goes_on = false;
    if (inner_ == nullptr) {
      goes_on = count == 1 && is_await(arguments, call) && call.is_given(arguments[0]);
    } else {
      // That a function runs which is among the arguments does not tell: weakref.ref(thing,
      // function) calls it as the call has ended, and `thing` goes.
      goes_on = count == 1 && is_await(arguments, call) && runs_generator(arguments[0]);
    }
    if (goes_on) show(arguments - 2, arguments, count);
  }

  static bool is_await(PyObject* const* arguments, const AwaitCall& call) {
#if PY_VERSION_HEX >= 0x030D0000
    return arguments[-2] == call.function && arguments[-1] == nullptr;
#else
    return arguments[-1] == call.function && arguments[-2] == nullptr;
#endif
  }

  bool runs_generator(PyObject* slot) const {
    return inner_ != nullptr && belongs_to_generator(inner_) && generator_of(inner_) == slot;
  }

  // Whether `inner` is the method __next__() of what is in the slot, and not by way of a finalizer.
  bool runs_next(PyObject* slot) const {
    if (inner_ == nullptr || belongs_to_generator(inner_)) return false;
    PyCodeObject* const code = code_of(inner_);
    return code->co_argcount == 1 && inner_->localsplus[0] == slot && slot != nullptr &&
           PyUnicode_CompareWithASCIIString(code->co_name, "__next__") == 0 &&
           Py_TYPE(slot)->tp_finalize == nullptr && Py_TYPE(slot)->tp_del == nullptr;
  }

  PythonFrame* inner_;
  PyObject** slots_;
  StackDepths::Place place_{};
  PyObject** below_ = nullptr;
  PyObject** arguments_ = nullptr;
  PyObject** arguments_end_ = nullptr;
};

int visit_frame(PythonFrame* frame, PythonFrame* inner, const AwaitCall& call, visitproc visit,
                void* arg) {
  const bool is_generator = belongs_to_generator(frame);
  if (!is_generator) {
    Py_VISIT(frame->frame_obj);
    Py_VISIT(frame->f_locals);
    PyObject* const function = function_of(frame);
    Py_VISIT(function);
  }
  // Noted where the frame has called a Python function, but not where it has called C. A generator
  // shows what is noted by itself.
  PyObject** const locals = frame->localsplus;
  if (frame->stacktop >= 0) {
    return is_generator ? 0 : visit_slots(locals, locals + frame->stacktop, visit, arg);
  }
  const int count = code_of(frame)->co_nlocalsplus;
  if (const int failed = visit_slots(locals, locals + count, visit, arg)) return failed;
  return CallUnderWay(frame, inner, call).traverse(visit, arg);
}

#endif

bool is_generator(PyObject* object) {
  return object != nullptr &&
         (PyCoro_CheckExact(object) || PyGen_CheckExact(object) || PyAsyncGen_CheckExact(object));
}

std::uintptr_t& flags_of(PyObject* object) { return _Py_AS_GC(object)->_gc_prev; }

// Calls `each` with the generators in order, for as long as it returns true.
template <typename Each>
void for_each_generator(PythonFrame* innermost, PyObject* const (&others)[2], Each each) {
  for (PythonFrame* frame = next_frame(innermost); frame != nullptr;
       frame = next_frame(frame->previous)) {
    if (belongs_to_generator(frame) && !each(generator_of(frame))) return;
  }
  for (PyObject* other : others) {
    if (is_generator(other) && !each(other)) return;
  }
}

}  // namespace

bool can_show_frames() {
  // 3.11.0 and 3.11.1 show frames that are being cleared. 3.14 had another collector up to 3.14.4.
#if PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x030F0000
  return Py_Version >= 0x030E0500;
#elif PY_VERSION_HEX < 0x030C0000
  return Py_Version >= 0x030B0200;
#else
  return true;
#endif
}

int visit_frames(PythonFrame* innermost, const PyObject* outermost, const AwaitCall& call,
                 visitproc visit, void* arg) {
  PythonFrame* inner = nullptr;
  for (PythonFrame* frame = next_frame(innermost); frame != nullptr;
       frame = next_frame(frame->previous)) {
    if (const int failed = visit_frame(frame, inner, call, visit, arg)) return failed;
    // To look further would be to load what is in no cache.
    if (belongs_to_generator(frame) && generator_of(frame) == outermost) return 0;
    inner = frame;
  }
  return 0;
}

std::uint64_t mark_generators(PythonFrame* innermost, PyObject* const (&others)[2]) {
  std::uint64_t marks = 0, bit = 1;
  for_each_generator(innermost, others, [&](PyObject* generator) {
    if ((flags_of(generator) & _PyGC_PREV_MASK_FINALIZED) == 0) {
      flags_of(generator) |= _PyGC_PREV_MASK_FINALIZED;
      marks |= bit;
    }
    bit <<= 1;
    return bit != 0;
  });
  return marks;
}

void unmark_generators(PythonFrame* innermost, PyObject* const (&others)[2], std::uint64_t marks) {
  for_each_generator(innermost, others, [&](PyObject* generator) {
    if ((marks & 1) != 0) {
      flags_of(generator) &= ~static_cast<std::uintptr_t>(_PyGC_PREV_MASK_FINALIZED);
    }
    marks >>= 1;
    return marks != 0;
  });
}

}  // namespace switchback::interpreter
#endif
