// Stacks: address ranges with a guard below them, mapped from and returned to the system.
#pragma once

#include <cstddef>

namespace switchback::core {

// A mapped stack. A plain value: whoever holds it decides when unmap_stack() is called.
//
//   low_               usable_low()                          top()
//    |  guard (no access)  |  grows downwards from the top <--- |
//
struct Stack {
  std::byte* low = nullptr;
  std::size_t size = 0;

  explicit operator bool() const { return low != nullptr; }
  std::byte* usable_low() const { return low + guard_size; }
  std::byte* top() const { return low + size; }

  // One guard is wide enough that no single frame of a C function compiled with the usual
  // stack-clash protection (one page a probe) can step over it.
  static constexpr std::size_t guard_size = 64 * 1024;
};

// Maps a stack of `size` bytes, guard included; `size` is rounded up to whole pages. The memory is
// reserved, not committed: a page costs nothing until it is first touched.
// Returns a stack without memory when the system has no more address space or mappings.
Stack map_stack(std::size_t size) noexcept;

// Returns the stack to the system. Nothing may run on it or point into it any more.
void unmap_stack(Stack stack) noexcept;

}  // namespace switchback::core
