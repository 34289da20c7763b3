// What the core asks of an operating system: address space, guards, locks, fork(). One source file
// a system implements it.
#pragma once

#include <cstddef>

#ifndef _WIN32
#include <mutex>
#endif

namespace switchback::core {

std::size_t page_size() noexcept;

// Reserves address space, at `remainder` above a multiple of `alignment` (a power of two, in whole
// pages). It can be read and written, and is zero; a page costs nothing until it is first touched.
// Returns nullptr when there is no more.
std::byte* reserve_memory(std::size_t size, std::size_t alignment, std::size_t remainder) noexcept;

// Returns all of what one reserve_memory() gave, in which so many guards have become mappings.
void release_memory(std::byte* low, std::size_t size, std::size_t guard_mappings) noexcept;

enum class GuardResult {
  installed,
  installed_as_mapping,
  no_memory,
  too_many,  // more would use up the memory mappings that the process may have
};

// Makes whole pages inaccessible, for good.
GuardResult install_guard(std::byte* low, std::size_t size) noexcept;

// Places of the same size, each `spacing` above the one before.
struct Places {
  std::byte* first;
  std::size_t size;  // whole pages
  std::size_t spacing;
  std::size_t count;  // at most 64
};

// Does what install_guard() does, for all of them in one system call. Returns false where there is
// no such call, or where it has not got through; some of them may be inaccessible then.
bool install_guards(const Places& places) noexcept;

// Gives all of these pages memory ahead of their first touch, which takes less time than a page
// fault each; or does nothing, where that would take a system call each.
void populate(const Places& places) noexcept;

// How many mappings a process may have, where install_guard() says that there are too many.
std::size_t most_mappings() noexcept;

// Gives the pages' memory back; they stay reserved, and read as zero.
void discard_memory(std::byte* low, std::size_t size) noexcept;

// A lock that is ready before the program starts, on every system.
#ifdef _WIN32
// The system's own (SRWLOCK). std::mutex is made at run time by some libraries for Windows, is
// missing from others, and Microsoft's depends on a library that does not come with Python: where
// another package has loaded an old one of that, the first lock() ends the process.
class Lock {
 public:
  constexpr Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock() noexcept;
  void unlock() noexcept;

 private:
  void* state_ = nullptr;
};
#else
using Lock = std::mutex;
#endif

// Has the functions called around each fork() of the process: before it, and after it in both
// processes. For locks, which another thread may hold in that moment.
void at_fork(void (*before)(), void (*after)()) noexcept;

// Has a byte written to the file descriptor whenever the process gets the signal, whatever it is
// doing. Interrupts no call of the system. Returns false where that cannot be.
bool write_on_signal(int number, int file) noexcept;

// Whether the calling thread has a shadow stack (CET), to which the processor compares the address
// of every return. switch_stacks() does not switch it, so that the next return would end the
// process.
bool has_shadow_stack() noexcept;

// How to do without one, for an error message.
extern const char* const shadow_stack_remedy;

}  // namespace switchback::core
