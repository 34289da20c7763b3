// Stacks in slabs: many of one size in one mapping.
#pragma once

#include <cstddef>

#include "core/os/system.hpp"
#include "core/stack.hpp"

namespace switchback::core {

enum class StackFailure {
  no_memory,
  too_many_mappings,  // see GuardResult::too_many
};

// Hands out stacks and takes them back, in any thread.
//
//   slab:  | guard | stack 0 | guard | stack 1 | guard | ...
//
// Memory is used where a stack is touched, and once more for the page tables of it: a page for each
// 2 MiB of address space. So a guard lies above the top of the stack before, and both in the same
// 2 MiB (slab_layout.hpp).
class StackAllocator {
 public:
  // `stack_size` includes the guard, and is a multiple of 64 KiB, the largest size of a page. The
  // page that begins `first_used` below the top is used first (0: any).
  constexpr explicit StackAllocator(std::size_t stack_size, std::size_t first_used = 0)
      : stack_size_(stack_size), first_used_(first_used) {}

  // Changes both, before the first stack is allocated: afterwards it returns false.
  bool resize(std::size_t stack_size, std::size_t first_used) noexcept;
  StackAllocator(const StackAllocator&) = delete;
  StackAllocator& operator=(const StackAllocator&) = delete;
  ~StackAllocator();  // when all stacks are back

  // Returns a stack that reads as zero; or one without memory, and why in *failure.
  Stack allocate(StackFailure* failure) noexcept;

  // Takes a stack back, and gives its memory to the system. Nothing may run on it or point into it.
  void deallocate(const Stack& stack) noexcept;

  std::size_t stack_size() const noexcept;

  // How many stacks are allocated.
  std::size_t live() const noexcept;

  // Around fork(), so that the child finds everything in order.
  void lock() noexcept { mutex_.lock(); }
  void unlock() noexcept { mutex_.unlock(); }

 private:
  Slab* make_slab() noexcept;
  bool prepare_batch(Slab& slab, std::size_t first) noexcept;
  void destroy_slab(Slab* slab) noexcept;
  void link(Slab* slab) noexcept;
  void unlink(Slab* slab) noexcept;

  mutable Lock mutex_;
  std::size_t stack_size_;
  std::size_t first_used_;
  Slab* available_ = nullptr;  // a list of the slabs in which a stack is free
  std::size_t live_ = 0;
  std::size_t slabs_made_ = 0;  // ever
};

}  // namespace switchback::core
