// Finding what the interpreter keeps of the tools of sys.monitoring.
#include "interpreter/monitoring.hpp"

#if SWITCHBACK_KNOWS_FRAMES && PY_VERSION_HEX >= 0x030C0000
#include <algorithm>

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
// The header is C: these two are another thing there than in C++, with the same layout.
#undef HAVE_STD_ATOMIC
#undef _PyGC_FINALIZED
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
extern "C" {
#include <internal/pycore_instruments.h>
#include <internal/pycore_interp.h>
}
#pragma GCC diagnostic pop
#undef Py_BUILD_CORE

namespace switchback::interpreter {
namespace {

static_assert(static_cast<int>(MonitoredEvent::py_start) == PY_MONITORING_EVENT_PY_START);
static_assert(static_cast<int>(MonitoredEvent::py_resume) == PY_MONITORING_EVENT_PY_RESUME);
static_assert(static_cast<int>(MonitoredEvent::py_return) == PY_MONITORING_EVENT_PY_RETURN);
static_assert(static_cast<int>(MonitoredEvent::py_yield) == PY_MONITORING_EVENT_PY_YIELD);
static_assert(static_cast<int>(MonitoredEvent::call) == PY_MONITORING_EVENT_CALL);
static_assert(static_cast<int>(MonitoredEvent::stop_iteration) ==
              PY_MONITORING_EVENT_STOP_ITERATION);
static_assert(static_cast<int>(MonitoredEvent::c_return) == PY_MONITORING_EVENT_C_RETURN);

using State = PyInterpreterState;

// The part that is looked at is laid out alike in all releases of a minor; what stands before it in
// the interpreter's state is not.
constexpr std::size_t built_offset = offsetof(State, monitoring_callables);
constexpr std::size_t monitors_before = built_offset - offsetof(State, monitors);

// What there is until it has been found.
constexpr std::uint8_t no_monitors[_PY_MONITORING_UNGROUPED_EVENTS] = {};

// The table of callbacks, by tool and event; nullptr until it has been found.
const char* callbacks = nullptr;

constexpr std::size_t place_of(int tool, int event) {
  return static_cast<std::size_t>(tool * _PY_MONITORING_EVENTS + event) * sizeof(PyObject*);
}

PyObject* callback_at(const char* table, int tool, int event) {
  return *reinterpret_cast<PyObject* const*>(table + place_of(tool, event));
}

PyObject* registered(int tool, PyObject* callback) {
  return PyObject_CallMethod(PySys_GetObject("monitoring"), "register_callback", "iiO", tool,
                             1 << PY_MONITORING_EVENT_PY_START, callback);
}

// Where the table is in which `callback` stands for that tool; nullptr if it is not found.
const char* find_table(const State* state, int tool, PyObject* callback) {
  constexpr std::size_t most = 4096;
  constexpr std::size_t end = sizeof(State) - place_of(PY_MONITORING_TOOL_IDS, 0);
  static_assert(built_offset > most && built_offset <= end);
  const char* const begin = reinterpret_cast<const char*>(state);
  for (std::size_t distance = 0; distance <= most; distance += sizeof(PyObject*)) {
    for (const std::size_t offset : {built_offset - distance, built_offset + distance}) {
      const char* const table = begin + std::min(offset, end);
      if (callback_at(table, tool, PY_MONITORING_EVENT_PY_START) == callback) return table;
    }
  }
  return nullptr;
}

// Whether the debugger that is on is bdb. It is a tool from 3.14 on.
bool is_bdb_on() {
  constexpr std::size_t table_size =
      sizeof(PyObject*) * PY_MONITORING_TOOL_IDS * _PY_MONITORING_EVENTS;
  static_assert(offsetof(State, monitoring_tool_names) == built_offset + table_size);
  if (callbacks == nullptr) return false;
  PyObject* const name = *reinterpret_cast<PyObject* const*>(callbacks + table_size);
  return name != nullptr && PyUnicode_Check(name) &&
         PyUnicode_CompareWithASCIIString(name, "bdbtracer") == 0;
}

}  // namespace

unsigned told_tools() {
  constexpr unsigned always = 0x3e;
  const bool has_debugger =
      (main_monitors[static_cast<int>(MonitoredEvent::py_resume)] & debuggers) != 0;
  return has_debugger && is_bdb_on() ? always | debuggers : always;
}

const std::uint8_t* main_monitors = no_monitors;

void find_monitoring() {
  if (callbacks != nullptr || PySys_GetObject("monitoring") == nullptr) return;
  // A callback that nobody else has, of a tool that is hardly in use, tells where the table is.
  constexpr int tool = PY_MONITORING_OPTIMIZER_ID;
  PyObject* const marker = PyUnicode_FromFormat("switchback: %p", static_cast<void*>(&callbacks));
  PyObject* const before = marker == nullptr ? nullptr : registered(tool, marker);
  if (before != nullptr) {
    callbacks = find_table(PyThreadState_Get()->interp, tool, marker);
    if (callbacks != nullptr) {
      main_monitors = reinterpret_cast<const std::uint8_t*>(callbacks) - monitors_before;
    }
    Py_XDECREF(registered(tool, before));
    Py_DECREF(before);
  }
  Py_XDECREF(marker);
  PyErr_Clear();
}

PyObject* monitoring_callback(int tool, MonitoredEvent event) {
  return callbacks == nullptr ? nullptr : callback_at(callbacks, tool, static_cast<int>(event));
}

}  // namespace switchback::interpreter
#endif
