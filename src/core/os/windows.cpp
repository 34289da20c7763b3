// Windows: memory from VirtualAlloc(), slim locks. Compiled, and not tested yet.
#include "core/os/system.hpp"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "core/address.hpp"

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
    std::byte* const low = start + distance_to_place(start, alignment, remainder);
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

bool install_guards(const Places&) noexcept { return false; }
void populate(const Places&) noexcept {}

std::size_t most_mappings() noexcept { return SIZE_MAX; }

void discard_memory(std::byte* low, std::size_t size) noexcept {
  VirtualFree(low, size, MEM_DECOMMIT);
  VirtualAlloc(low, size, MEM_COMMIT, PAGE_READWRITE);
}

void at_fork(void (*)(), void (*)()) noexcept {}

bool write_on_signal(int, int) noexcept { return false; }

// A program's image says whether it is made for them (/CETCOMPAT), and an administrator may
// overrule that. In the usual mode, a return that does not match is let pass in modules that are
// not made for them; but which module returns first, and what all the others are made for, is not
// ours to know.
bool has_shadow_stack() noexcept {
  PROCESS_MITIGATION_USER_SHADOW_STACK_POLICY policy{};
  return GetProcessMitigationPolicy(GetCurrentProcess(), ProcessUserShadowStackPolicy, &policy,
                                    sizeof(policy)) != 0 &&
         policy.EnableUserShadowStack != 0;
}

const char* const shadow_stack_remedy =
    "switch hardware-enforced stack protection off for the program in Windows Security, under "
    "exploit protection";

static_assert(sizeof(void*) == sizeof(SRWLOCK) && alignof(void*) == alignof(SRWLOCK));

void Lock::lock() noexcept { AcquireSRWLockExclusive(reinterpret_cast<SRWLOCK*>(&state_)); }
void Lock::unlock() noexcept { ReleaseSRWLockExclusive(reinterpret_cast<SRWLOCK*>(&state_)); }

}  // namespace switchback::core
