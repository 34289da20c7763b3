// Which tools are told what of a suspension, and in which order.
#include "tracing/switch_events.hpp"

#if SWITCHBACK_KNOWS_FRAMES
#include <new>
#include <optional>

#include "tracing/code_facts.hpp"

namespace switchback::tracing {
namespace {

using interpreter::CurrentFrameScope;
using interpreter::MonitoredEvent;
using interpreter::StandInScope;

// Keeps tools from being told of what they do themselves.
class ToolScope {
 public:
  explicit ToolScope(PyThreadState* thread_state) : thread_state_(thread_state) {
    PyThreadState_EnterTracing(thread_state);
  }
  ~ToolScope() { PyThreadState_LeaveTracing(thread_state_); }
  ToolScope(const ToolScope&) = delete;
  ToolScope& operator=(const ToolScope&) = delete;

 private:
  PyThreadState* thread_state_;
};

bool has_functions(const PyThreadState* thread_state) {
  return thread_state->c_tracefunc != nullptr || thread_state->c_profilefunc != nullptr;
}

// Whether any tool is to be told in this thread.
bool is_watched(const PyThreadState* thread_state) {
  if (thread_state->tracing != 0) return false;
  return has_functions(thread_state) || (interpreter::tools_wanting(MonitoredEvent::py_yield) |
                                         interpreter::tools_wanting(MonitoredEvent::py_resume) |
                                         interpreter::tools_wanting(MonitoredEvent::call)) != 0;
}

// Has the code of the running stack tell of the events that tools want, also of those that have
// been switched on while it was suspended.
void renew_instruments(PyThreadState* thread_state) {
  for (interpreter::FrameWalk walk(thread_state); walk.frame() != nullptr; walk.next()) {
    if (!interpreter::lacks_events(interpreter::code_of(walk.frame()))) continue;
    const ToolScope scope(thread_state);
    instrument_running_code();
    return;
  }
}

// The frame as an object. An empty reference with an exception set on failure.
Ref object_of(PyThreadState* thread_state, PythonFrame* frame) {
  CurrentFrameScope scope(thread_state, frame);
  return Ref::steal(reinterpret_cast<PyObject*>(PyThreadState_GetFrame(thread_state)));
}

PyFrameObject* as_frame(const Ref& object) {
  return reinterpret_cast<PyFrameObject*>(object.get());
}

// To the function of sys.setprofile() and its like.
bool tell_profile(PyThreadState* thread_state, const Ref& object, int what, PyObject* argument) {
  const Py_tracefunc function = thread_state->c_profilefunc;
  if (function == nullptr) return true;
  return function(thread_state->c_profileobj, as_frame(object), what, argument) == 0;
}

// Has a frame look as that of a coroutine that waits, for as long as it lives.
class AsCoroutine {
 public:
  AsCoroutine(PythonFrame* frame, const Ref& object, bool resumed) {
    const CodeFacts* const facts = CodeFacts::of(interpreter::code_of(frame));
    if (facts == nullptr || facts->stand_in() == nullptr) return;
    scope_.emplace(frame, as_frame(object), facts->stand_in(), facts->yield_unit(), resumed);
  }

 private:
  std::optional<StandInScope> scope_;
};

// To the function of sys.settrace() and its like. The frame looks as that of a coroutine does.
bool tell_trace(PyThreadState* thread_state, PythonFrame* frame, const Ref& object, int what,
                PyObject* argument) {
  const Py_tracefunc function = thread_state->c_tracefunc;
  if (function == nullptr) return true;
  PyObject* const function_object = thread_state->c_traceobj;
  const AsCoroutine scope(frame, object, what == PyTrace_CALL);
  return function(function_object, as_frame(object), what, argument) == 0;
}

// Where a frame is, as tools are told it.
struct Place {
  explicit Place(PythonFrame* frame)
      : code(interpreter::code_of(frame)), unit(interpreter::unit_of(frame)) {}
  PyCodeObject* code;
  int unit;
};

// To those of these tools of sys.monitoring that have a callback; the last arguments may be
// nullptr.
bool tell_tools(unsigned tools, const Place& place, MonitoredEvent event, PyObject* first,
                PyObject* second) {
  if (tools == 0) return true;
  Ref offset = Ref::steal(PyLong_FromLong(place.unit * static_cast<long>(sizeof(_Py_CODEUNIT))));
  if (!offset) return false;
  // The place before the arguments is for what is called.
  PyObject* arguments[5] = {nullptr, reinterpret_cast<PyObject*>(place.code), offset.get(), first,
                            second};
  const std::size_t count =
      2 + static_cast<std::size_t>(first != nullptr) + static_cast<std::size_t>(second != nullptr);
  for (int tool = 0; tools != 0; ++tool, tools >>= 1) {
    if ((tools & 1) == 0) continue;
    Ref callback = Ref::borrow(interpreter::monitoring_callback(tool, event));
    if (!callback) continue;
    // It may answer DISABLE, of a place in the code. There is no such place.
    Ref answer = Ref::steal(PyObject_Vectorcall(callback.get(), arguments + 1,
                                                count | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
    if (!answer) return false;
  }
  return true;
}

// To the debuggers among the tools. The frame looks as that of a coroutine does.
bool tell_debuggers(PyThreadState* thread_state, PythonFrame* frame, MonitoredEvent event,
                    PyObject* argument) {
  const Ref object = object_of(thread_state, frame);
  if (!object) return false;
  const Place place(frame);
  const AsCoroutine scope(frame, object, event == MonitoredEvent::py_resume);
  return tell_tools(interpreter::debuggers, place, event, argument, nullptr);
}

// To all of the tools that want an event of a frame.
bool tell_all_tools(PyThreadState* thread_state, PythonFrame* frame, MonitoredEvent event,
                    PyObject* argument) {
  const unsigned tools = interpreter::tools_wanting(event, interpreter::code_of(frame));
  if ((tools & interpreter::debuggers) != 0 &&
      !tell_debuggers(thread_state, frame, event, argument)) {
    return false;
  }
  return tell_tools(tools & ~interpreter::debuggers, Place(frame), event, argument, nullptr);
}

// Of a C call: as functions of sys.setprofile() know it, which is the bound method for a method of
// a type. Empty, without an exception, for what they are not told of.
Ref as_profiled(PyObject* callable, PyObject* first) {
  if (PyCFunction_Check(callable)) return Ref::borrow(callable);
  if (!Py_IS_TYPE(callable, &PyMethodDescr_Type) || first == nullptr) return Ref();
  Ref bound = Ref::steal(Py_TYPE(callable)->tp_descr_get(
      callable, first, reinterpret_cast<PyObject*>(Py_TYPE(first))));
  PyErr_Clear();
  return bound;
}

bool tell_c_call(PyThreadState* thread_state, PythonFrame* frame, const Ref& object,
                 PyObject* callable, PyObject* first, bool resumed) {
  if (thread_state->c_profilefunc != nullptr) {
    Ref function = as_profiled(callable, first);
    const int what = resumed ? PyTrace_C_CALL : PyTrace_C_RETURN;
    if (function && !tell_profile(thread_state, object, what, function.get())) return false;
  }
  if (first == nullptr) first = interpreter::missing_argument();
  const unsigned tools =
      interpreter::tools_wanting(MonitoredEvent::call, interpreter::code_of(frame));
  return tell_tools(tools & ~interpreter::debuggers, Place(frame),
                    resumed ? MonitoredEvent::call : MonitoredEvent::c_return, callable, first);
}

}  // namespace

Suspension::~Suspension() {
  for (std::size_t i = 0; i < count_; ++i) entries_[i].~Entry();
  PyMem_Free(entries_);
}

// Returns false with MemoryError set on failure.
bool Suspension::list_frames(PyThreadState* thread_state) {
  std::size_t count = 0;
  for (interpreter::FrameWalk walk(thread_state); walk.frame() != nullptr; walk.next()) ++count;
  if (count == 0) return true;
  entries_ = static_cast<Entry*>(PyMem_Malloc(count * sizeof(Entry)));
  if (entries_ == nullptr) {
    PyErr_NoMemory();
    return false;
  }
  for (interpreter::FrameWalk walk(thread_state); walk.frame() != nullptr; walk.next()) {
    ::new (entries_ + count_++) Entry{walk.frame(), walk.called_c(), Ref(), Ref()};
  }
  return true;
}

// Finds the C call that a frame has under way, where tools were told of it.
void Suspension::find_call(PyThreadState* thread_state, std::size_t index) {
  Entry& entry = entries_[index];
  PyCodeObject* const code = interpreter::code_of(entry.frame);
  // Of the calls further out nothing tells how they began; mostly as the last one, or as those of
  // the same code do now.
  const bool is_told =
      call_is_told_ || (index != 0 && interpreter::tells_calls(thread_state, code));
  if (!entry.called_c || !is_told) return;
  const CodeFacts* const facts = CodeFacts::of(code);
  if (facts == nullptr) return;
  const CodeFacts::Call* const call = facts->call_at(interpreter::unit_of(entry.frame));
  if (call == nullptr) return;
  const interpreter::CallOnStack found =
      interpreter::call_on_stack(entry.frame, call->place, call->unpacks, call->has_arguments);
  entry.callable = Ref::borrow(facts->function_that_is(found.callable));
  if (!entry.callable) return;
  entry.first = Ref::borrow(interpreter::local_that_is(entry.frame, found.first));
}

bool Suspension::tell_suspended(PyThreadState* thread_state, PyObject* trap) {
  // Where a tool was told of the call and is off now, another may be told of the return.
  const bool watched = is_watched(thread_state);
  if (!watched && (!call_is_told_ || thread_state->tracing != 0)) return true;
  if (!list_frames(thread_state)) return false;
  ToolScope scope(thread_state);
  for (std::size_t i = 0; i < count_; ++i) {
    find_call(thread_state, i);
    if (watched && !tell_suspended(thread_state, entries_[i], trap)) return false;
  }
  return true;
}

bool Suspension::tell_resumed(PyThreadState* thread_state) {
  if (thread_state->tracing == 0) renew_instruments(thread_state);
  if (!is_watched(thread_state)) return true;
  const bool was_watched = entries_ != nullptr;
  if (!was_watched && !list_frames(thread_state)) return false;
  ToolScope scope(thread_state);
  if (!was_watched && count_ != 0) find_call(thread_state, 0);
  for (std::size_t i = count_; i-- > 0;) {
    if (!tell_resumed(thread_state, entries_[i])) return false;
  }
  return true;
}

bool Suspension::tell_suspended(PyThreadState* thread_state, const Entry& entry, PyObject* trap) {
  PythonFrame* const frame = entry.frame;
  Ref object;
  if (has_functions(thread_state)) {
    object = object_of(thread_state, frame);
    if (!object) return false;
  }
  CurrentFrameScope scope(thread_state, frame);
  if (entry.callable &&
      !tell_c_call(thread_state, frame, object, entry.callable.get(), entry.first.get(), false)) {
    return false;
  }
  if (!tell_all_tools(thread_state, frame, MonitoredEvent::py_yield, trap)) return false;
  // One that a tool has just switched on is told the next time.
  if (!object) return true;
  return tell_trace(thread_state, frame, object, PyTrace_RETURN, trap) &&
         tell_profile(thread_state, object, PyTrace_RETURN, trap);
}

bool Suspension::tell_resumed(PyThreadState* thread_state, const Entry& entry) {
  PythonFrame* const frame = entry.frame;
  Ref object;
  if (has_functions(thread_state)) {
    object = object_of(thread_state, frame);
    if (!object) return false;
  }
  CurrentFrameScope scope(thread_state, frame);
  if (!tell_all_tools(thread_state, frame, MonitoredEvent::py_resume, nullptr)) return false;
  if (object && !(tell_trace(thread_state, frame, object, PyTrace_CALL, Py_None) &&
                  tell_profile(thread_state, object, PyTrace_CALL, Py_None))) {
    return false;
  }
  return !entry.callable ||
         tell_c_call(thread_state, frame, object, entry.callable.get(), entry.first.get(), true);
}

bool is_call_told(PyThreadState* thread_state) {
  const interpreter::FrameWalk walk(thread_state);
  if (walk.frame() == nullptr || thread_state->tracing != 0) return false;
  return interpreter::tells_calls(thread_state, interpreter::code_of(walk.frame()));
}

bool tell_completed(PyThreadState* thread_state, PyObject* awaited, PyObject* value) {
  // A debugger that was not in the coroutine would take this for the end of what it waits for.
  if (!tells_completions(thread_state) || interpreter::trace_of(awaited) == nullptr) return true;
  const interpreter::FrameWalk walk(thread_state);
  if (walk.frame() == nullptr) return true;
  Ref object = object_of(thread_state, walk.frame());
  Ref stop = Ref::steal(PyObject_CallFunctionObjArgs(PyExc_StopIteration, value, nullptr));
  if (!object || !stop) return false;
  Ref raised = Ref::steal(PyTuple_Pack(3, PyExc_StopIteration, stop.get(), Py_None));
  if (!raised) return false;
  ToolScope scope(thread_state);
  // As it is: where the debugger stops here, what it does next hangs on the kind of function.
  if (thread_state->c_tracefunc != nullptr) {
    return thread_state->c_tracefunc(thread_state->c_traceobj, as_frame(object), PyTrace_EXCEPTION,
                                     raised.get()) == 0;
  }
  constexpr MonitoredEvent event = MonitoredEvent::stop_iteration;
  const unsigned tools = interpreter::tools_wanting(event, interpreter::code_of(walk.frame()));
  return tell_tools(tools & interpreter::debuggers, Place(walk.frame()), event, stop.get(),
                    nullptr);
}

}  // namespace switchback::tracing
#endif
