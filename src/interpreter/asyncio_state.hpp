// Where a thread state has asyncio's running loop and current task, found by looking.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "interpreter/python.hpp"

namespace switchback::interpreter {

#if PY_VERSION_HEX >= 0x030D0000 && !defined(SWITCHBACK_UNKNOWN_MINOR)
// From 3.13 on the loop, and from 3.14 on the task directly after it, are fields behind the public
// part of the thread state (_PyThreadStateImpl in the interpreter's pycore_tstate.h). Their place
// differs even between releases of a minor, so it is taken from what asyncio's functions say,
// twice: the only one that holds that. To read it takes a tenth of the time of asking asyncio.
class AsyncioState {
 public:
  static constexpr bool has_loop = true;
  static constexpr bool has_task = PY_VERSION_HEX >= 0x030E0000;

  bool known() const { return confirmed_ >= wanted; }

  // Borrowed, as asyncio has them; nullptr for none. Once the place is known.
  PyObject* loop(PyThreadState* thread) const { return words(thread)[place()]; }
  PyObject* task(PyThreadState* thread) const { return words(thread)[place() + 1]; }

  // What asyncio has answered in this thread: its running loop and the task that it runs.
  void learn(PyThreadState* thread, PyObject* loop, PyObject* task) {
    PyObject* const* const found = words(thread);
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

  static PyObject* const* words(PyThreadState* thread) {
    return reinterpret_cast<PyObject* const*>(thread + 1) - 1;
  }
  unsigned place() const { return static_cast<unsigned>(std::countr_zero(candidates_)); }

  std::uint32_t candidates_ = ~std::uint32_t{0};
  int confirmed_ = 0;
};
#else
// Up to 3.12, dicts have both (dict_version.hpp).
class AsyncioState {
 public:
  static constexpr bool has_loop = false, has_task = false;
  static constexpr bool known() { return false; }
  static PyObject* loop(PyThreadState*) { return nullptr; }
  static PyObject* task(PyThreadState*) { return nullptr; }
  static void learn(PyThreadState*, PyObject*, PyObject*) {}
};
#endif

}  // namespace switchback::interpreter
