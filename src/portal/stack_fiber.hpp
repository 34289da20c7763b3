// The native backend: a fiber with a C stack of its own, and the interpreter state that goes with
// it.
#pragma once

#include <cstddef>

#include "core/context.hpp"
#include "core/stack_pool.hpp"
#include "interpreter/stack_state.hpp"
#include "portal/fiber.hpp"

namespace switchback::portal {

// Lies near the top of its own stack.
//
//                 one page, the only one that a shallow await_() touches
//               |<--------------------------------------------------------->|
//   guard  ...  |  C stack, grows downwards  | Fiber | data stack, grows up | ... data stack
//
class StackFiber : public Fiber, public core::PooledStack, private core::Context {
 public:
  // Up to 3.13 nothing measures the C stack itself, so whatever recurses to some depth on the main
  // thread's 8 MiB has to fit here as well. Address space only: untouched pages cost nothing.
  static constexpr std::size_t c_stack_size = 8 * 1024 * 1024;

  // Maps a stack and makes a fiber on it. Returns nullptr with MemoryError set on failure.
  static StackFiber* create(const interpreter::StackSettings& settings);

  // Unmaps an idle fiber.
  static void destroy(StackFiber* fiber);

  // Fiber::run() and Fiber::suspend(), which see.
  bool run_on_stack(PyThreadState* state, Thread& thread);
  PyObject* suspend_stack(PyObject* trap, PyObject* awaited, PyObject** exception);

 private:
  StackFiber() : Fiber(Backend::native) {}
  ~StackFiber() = default;
  static void main(core::Context& context);

  interpreter::StackState interpreter_;
};

}  // namespace switchback::portal
