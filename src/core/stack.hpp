// A stack: an address range with a guard below it.
#pragma once

#include <cstddef>

namespace switchback::core {

struct Slab;

// A plain value: whoever holds it decides when it goes back to its allocator.
//
//   low                  usable_low()                          top()
//    |  guard (no access)  |  grows downwards from the top <--- |
//
struct Stack {
  std::byte* low = nullptr;
  std::size_t size = 0;
  Slab* slab = nullptr;  // in which the allocator has its place

  explicit operator bool() const { return low != nullptr; }
  std::byte* usable_low() const { return low + guard_size; }
  std::byte* top() const { return low + size; }

  // One guard is wide enough that no single frame of a C function compiled with the usual
  // stack-clash protection (one page a probe) can step over it. A multiple of every page size:
  // AArch64 has pages of 4, 16 and 64 KiB.
  static constexpr std::size_t guard_size = 64 * 1024;
};

}  // namespace switchback::core
