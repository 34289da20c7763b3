// The tools of sys.monitoring: which events they want, and what they are called by. It is new in
// 3.12; before that there are none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "interpreter/python_frames.hpp"

namespace switchback::interpreter {

#if SWITCHBACK_KNOWS_FRAMES

// By their numbers, which the interpreter's headers and sys.monitoring.events have in common.
enum class MonitoredEvent : std::uint8_t {
  py_start = 0,
  py_resume = 1,
  py_return = 2,
  py_yield = 3,
  call = 4,
#if PY_VERSION_HEX >= 0x030E0000
  stop_iteration = 10,
  c_return = 16,
#else
  stop_iteration = 9,
  c_return = 15,
#endif
};

// Whether it can be wanted of some code only.
inline constexpr bool is_event_of_code(MonitoredEvent event) {
  return event <= MonitoredEvent::stop_iteration;
}

// Tools are given as bits. 0 is the debuggers'; 6 and 7 stand for sys.setprofile() and
// sys.settrace().
inline constexpr unsigned debuggers = 1;

#if PY_VERSION_HEX >= 0x030C0000

// Finds out where the main interpreter, the only one that has portals, keeps what follows: releases
// of a minor differ in it. Once; before that, and where it cannot be found, there are no tools.
void find_monitoring();

// A byte for each event, the first four of which are those of calls and returns: the tools that
// want it, as bits. As many as the interpreter has events.
extern const std::uint8_t* main_monitors;

// Borrowed, or nullptr.
PyObject* monitoring_callback(int tool, MonitoredEvent event);

// The tools that are to be told. Of the debuggers it is bdb, which looks at frames; others know
// code that waits by its flags.
unsigned told_tools();

// Of these those that want an event of any code.
inline unsigned tools_wanting(MonitoredEvent event) {
  return main_monitors[static_cast<int>(event)] & told_tools();
}

// Those that want it of this code.
inline unsigned tools_wanting(MonitoredEvent event, const PyCodeObject* code) {
  const int place = static_cast<int>(event);
  unsigned tools = main_monitors[place];
  if (is_event_of_code(event) && code->_co_monitoring != nullptr) {
    tools |= code->_co_monitoring->local_monitors.tools[place];
  }
  return tools & told_tools();
}

// Whether a call in this code is told to tools when it is made.
inline bool tells_calls(const PyThreadState*, const PyCodeObject* code) {
  const auto* const data = code->_co_monitoring;
  return data != nullptr &&
         data->active_monitors.tools[static_cast<int>(MonitoredEvent::call)] != 0;
}

// Whether tools want events that this code does not tell of yet: they were switched on while its
// frames were suspended, and the interpreter looks for code on running stacks only.
inline bool lacks_events(const PyCodeObject* code) {
  constexpr int events_in_code = static_cast<int>(MonitoredEvent::stop_iteration) + 1;
  const auto* const data = code->_co_monitoring;
  for (int event = 0; event < events_in_code; ++event) {
    const unsigned active = data == nullptr ? 0 : data->active_monitors.tools[event];
    if ((main_monitors[event] & ~active) != 0) return true;
  }
  return false;
}

#else

inline void find_monitoring() {}
inline PyObject* monitoring_callback(int, MonitoredEvent) { return nullptr; }
inline unsigned told_tools() { return 0; }
inline unsigned tools_wanting(MonitoredEvent) { return 0; }
inline unsigned tools_wanting(MonitoredEvent, const PyCodeObject*) { return 0; }
inline bool tells_calls(const PyThreadState* thread_state, const PyCodeObject*) {
  return thread_state->c_profilefunc != nullptr;
}
inline bool lacks_events(const PyCodeObject*) { return false; }

#endif

// Whether tools may follow calls and returns in the running thread, at a glance.
#if PY_VERSION_HEX >= 0x030C0000
// Of the process: such a tool may follow other threads only.
inline bool may_be_followed() {
  std::uint32_t tools;
  std::memcpy(&tools, main_monitors, sizeof tools);
  return tools != 0;
}
#else
inline bool may_be_followed() {
  const PyThreadState* const thread_state = current_thread_state();
  return thread_state->c_profilefunc != nullptr || thread_state->c_tracefunc != nullptr;
}
#endif

// What a tool is shown of a call without arguments; borrowed, or nullptr.
inline PyObject* missing_argument() {
  PyObject* const monitoring = PySys_GetObject("monitoring");  // borrowed
  PyObject* const missing =
      monitoring == nullptr ? nullptr : PyObject_GetAttrString(monitoring, "MISSING");
  PyErr_Clear();
  Py_XDECREF(missing);  // the module keeps it
  return missing;
}

#else
inline void find_monitoring() {}
#endif

}  // namespace switchback::interpreter
