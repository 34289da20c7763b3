// Memory from VirtualAlloc(), for Windows. Compiled, and not tested yet.
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <cstdint>
#include <limits>

#include "core/memory.hpp"

namespace switchback::core {

std::size_t page_size() noexcept {
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  return system.dwPageSize;
}

// All of it is committed, as the system commits page by page only on stacks that it has made
// itself. A page has no memory until it is touched, but counts against the system's commit limit.
std::byte* reserve_memory(std::size_t size, std::size_t alignment, std::size_t remainder) noexcept {
  if (size + alignment < size) return nullptr;
  // A part of a reservation cannot be given back, but a hole that was found can be taken; unless
  // another thread has been faster.
  for (int attempt = 0; attempt < 16; ++attempt) {
    void* hole = VirtualAlloc(nullptr, size + alignment, MEM_RESERVE, PAGE_NOACCESS);
    if (hole == nullptr) return nullptr;
    VirtualFree(hole, 0, MEM_RELEASE);
    auto* const start = static_cast<std::byte*>(hole);
    const std::size_t above = (reinterpret_cast<std::uintptr_t>(start) - remainder) % alignment;
    std::byte* const low = start + (above == 0 ? 0 : alignment - above);
    if (VirtualAlloc(low, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) != nullptr) return low;
  }
  return nullptr;
}

void release_memory(std::byte* low, std::size_t, std::size_t) noexcept {
  VirtualFree(low, 0, MEM_RELEASE);
}

GuardResult install_guard(std::byte* low, std::size_t size) noexcept {
  return VirtualFree(low, size, MEM_DECOMMIT) != 0 ? GuardResult::installed
                                                   : GuardResult::no_memory;
}

std::size_t most_mappings() noexcept { return std::numeric_limits<std::size_t>::max(); }

void discard_memory(std::byte* low, std::size_t size) noexcept {
  VirtualFree(low, size, MEM_DECOMMIT);
  VirtualAlloc(low, size, MEM_COMMIT, PAGE_READWRITE);
}

void at_fork(void (*)(), void (*)()) noexcept {}

}  // namespace switchback::core
