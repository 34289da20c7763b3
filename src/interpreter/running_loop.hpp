// Where a thread state has the running event loop and its current task, found by looking.
#pragma once

#include <bit>
#include <cstdint>

#include "interpreter/python.hpp"

namespace switchback::interpreter {

// Whether the standard library's event loops keep the current tasks in a dict, as up to 3.13. From
// 3.14 on they are where only its own functions find them.
inline constexpr bool current_tasks_are_in_a_dict = PY_VERSION_HEX < 0x030E0000;

#if PY_VERSION_HEX >= 0x030D0000 && !defined(SWITCHBACK_UNKNOWN_MINOR)
// From 3.13 on the loop, and from 3.14 on the task directly after it, are fields behind the public
// part of the thread state (_PyThreadStateImpl in the interpreter's pycore_tstate.h). Their place
// differs even between releases of a minor, so it is taken from what the standard library's
// functions say, twice: the only one that holds that. To read it takes a tenth of the time of
// asking.
class RunningLoop {
 public:
  static constexpr bool has_loop = true;
  static constexpr bool has_task = PY_VERSION_HEX >= 0x030E0000;

  bool known() const { return confirmed_ >= wanted; }

  // Borrowed, as the thread state has them; nullptr for none. Once the place is known.
  PyObject* loop(PyThreadState* thread_state) const { return words(thread_state)[place()]; }
  PyObject* task(PyThreadState* thread_state) const { return words(thread_state)[place() + 1]; }

  // What was answered in this thread: its running loop and the task that it runs.
  void learn(PyThreadState* thread_state, PyObject* loop, PyObject* task) {
    PyObject* const* const found = words(thread_state);
    std::uint32_t matching = 0;
    for (unsigned i = 0; i < searched; ++i) {
      const bool matches = found[i] == loop && (!has_task || found[i + 1] == task);
      if (matches) matching |= std::uint32_t{1} << i;
    }
    candidates_ &= matching;
    confirmed_ = std::has_single_bit(candidates_) ? confirmed_ + 1 : 0;
  }

 private:
  static constexpr int wanted = 2;
  // The fields are among the first of the private part, which is larger than this. From 3.15 on it
  // begins with a frame.
  static constexpr unsigned searched = PY_VERSION_HEX >= 0x030F0000   ? 24
                                       : PY_VERSION_HEX >= 0x030E0000 ? 10
                                                                      : 4;

  static PyObject* const* words(PyThreadState* thread_state) {
    return reinterpret_cast<PyObject* const*>(thread_state + 1) - 1;
  }
  unsigned place() const { return static_cast<unsigned>(std::countr_zero(candidates_)); }

  std::uint32_t candidates_ = ~std::uint32_t{0};
  int confirmed_ = 0;
};
#else
// Up to 3.12, dicts have both (dict_version.hpp).
class RunningLoop {
 public:
  static constexpr bool has_loop = false, has_task = false;
  static constexpr bool known() { return false; }
  static PyObject* loop(PyThreadState*) { return nullptr; }
  static PyObject* task(PyThreadState*) { return nullptr; }
  static void learn(PyThreadState*, PyObject*, PyObject*) {}
};
#endif

}  // namespace switchback::interpreter
