// What PyThreadState holds on behalf of one C stack, exchanged at every switch of stacks.
//
// Each minor is a file with the list of its parts, `StackState`; what a part has to do stands in
// stack_part.hpp. Beside it, native_obstacle() says why the native backend cannot be used, or
// returns nullptr.
//
// Not exchanged, on purpose: `tracing` and the trace functions, the async-generator hooks, the
// pending asynchronous exception and the dict belong to the thread; the raised exception must be
// NULL at a switch, or travels with it; the lists of the trashcan are shared.
#pragma once

#include <algorithm>
#include <cstddef>

#include "interpreter/python.hpp"

#ifdef SWITCHBACK_UNKNOWN_MINOR
#include "interpreter/unknown.hpp"
#elif PY_VERSION_HEX >= 0x030F0000
#include "interpreter/cpython_3_15.hpp"
#elif PY_VERSION_HEX >= 0x030E0000
#include "interpreter/cpython_3_14.hpp"
#elif PY_VERSION_HEX >= 0x030D0000
#include "interpreter/cpython_3_13.hpp"
#elif PY_VERSION_HEX >= 0x030C0000
#include "interpreter/cpython_3_12.hpp"
#else
#include "interpreter/cpython_3_11.hpp"
#endif

namespace switchback::interpreter {

// How large a stack is unless told, guard and data stack included; address space, of which only
// what is used costs memory. Whatever recurses to some depth on the main thread's 8 MiB has to fit
// here as well. It is a multiple of 2 MiB, so that what each stack uses first lies in one page of
// page tables.
//
// Frames that find no room in the data stack go to chunks of the interpreter's own, each by mmap()
// and munmap(), which is what its generous size avoids.
inline constexpr std::size_t default_stack_size = 10 * 1024 * 1024;

// Whether the interpreter measures the C stack, so that recursion on one of any size ends in a
// RecursionError. Up to 3.13, on a small one it would end in a segmentation fault.
#if PY_VERSION_HEX >= 0x030E0000 && !defined(SWITCHBACK_UNKNOWN_MINOR)
inline constexpr bool measures_c_stack = true;
#else
inline constexpr bool measures_c_stack = false;
#endif

// How many C calls the interpreter may nest on a stack, for the minors that count them (3.12 and
// 3.13, where no stack is smaller than the default): as many as on the thread's own, at CPython's
// ratio of 8 MiB to 10,000 at most. Called where few calls are nested: all known limits are
// multiples of 100.
inline int c_recursion_limit([[maybe_unused]] const PyThreadState* thread_state,
                             std::size_t c_stack_size) {
  const auto by_size = static_cast<int>(c_stack_size / 800);
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030E0000 && \
    !defined(SWITCHBACK_UNKNOWN_MINOR)
  const int by_thread = (thread_state->c_recursion_remaining + 99) / 100 * 100;
  return std::min(by_thread, by_size);
#else
  return by_size;
#endif
}

}  // namespace switchback::interpreter
