#include "core/stack_allocator.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <mutex>
#include <new>

#include "core/memory.hpp"

namespace switchback::core {

struct Slab {
  std::byte* low;
  std::size_t count;
  std::uint64_t free;     // a bit for each stack
  std::uint64_t guarded;  // likewise: whether its guard is installed
  std::size_t guard_mappings = 0;
  Slab* next = nullptr;
  Slab* previous = nullptr;

  std::uint64_t all() const { return ~std::uint64_t{0} >> (64 - count); }
};

namespace {

// A program with few portals should not look as if it used gigabytes; with many, each slab costs
// two system calls or three.
constexpr std::size_t fewest_in_slab = 8;
constexpr std::size_t most_in_slab = 64;

// How much address space one page of page tables is for, on processors with pages of 4 KiB.
constexpr std::size_t page_table_span = 2 * 1024 * 1024;
// Where in such a span a stack ends and the next guard begins: what is used first is around it, and
// most of that below.
constexpr std::size_t place_in_span = page_table_span / 4 * 3;

}  // namespace

StackAllocator::~StackAllocator() {
  assert(live_ == 0);
  while (available_ != nullptr) {
    Slab* slab = available_;
    unlink(slab);
    destroy_slab(slab);
  }
}

Slab* StackAllocator::make_slab() noexcept {
  auto* slab = new (std::nothrow) Slab{};
  if (slab == nullptr) return nullptr;
  // As many as there are, or fewer where address space is scarce.
  for (std::size_t count = std::clamp(std::bit_floor(live_ + 1), fewest_in_slab, most_in_slab);
       count > 0; count /= 2) {
    slab->low = reserve_memory(stack_size_ * count, page_table_span, place_in_span);
    if (slab->low != nullptr) {
      slab->count = count;
      slab->free = slab->all();
      return slab;
    }
  }
  delete slab;
  return nullptr;
}

void StackAllocator::destroy_slab(Slab* slab) noexcept {
  release_memory(slab->low, stack_size_ * slab->count, slab->guard_mappings);
  delete slab;
}

void StackAllocator::link(Slab* slab) noexcept {
  slab->next = available_;
  slab->previous = nullptr;
  if (available_ != nullptr) available_->previous = slab;
  available_ = slab;
}

void StackAllocator::unlink(Slab* slab) noexcept {
  if (slab->next != nullptr) slab->next->previous = slab->previous;
  (slab->previous != nullptr ? slab->previous->next : available_) = slab->next;
}

Stack StackAllocator::allocate(StackFailure* failure) noexcept {
  assert(stack_size_ % page_size() == 0 && stack_size_ > Stack::guard_size);
  const std::lock_guard lock(mutex_);
  *failure = StackFailure::no_memory;
  if (available_ == nullptr) {
    Slab* made = make_slab();
    if (made == nullptr) return Stack{};
    link(made);
  }
  Slab* const slab = available_;
  const auto index = static_cast<std::size_t>(std::countr_zero(slab->free));
  const std::uint64_t bit = std::uint64_t{1} << index;
  const Stack stack{slab->low + index * stack_size_, stack_size_, slab};
  if ((slab->guarded & bit) == 0) {
    const GuardResult result = install_guard(stack.low, Stack::guard_size);
    if (result == GuardResult::no_memory) return Stack{};
    if (result == GuardResult::too_many) {
      *failure = StackFailure::too_many_mappings;
      return Stack{};
    }
    slab->guarded |= bit;
    slab->guard_mappings += result == GuardResult::installed_as_mapping;
  }
  slab->free &= ~bit;
  if (slab->free == 0) unlink(slab);
  ++live_;
  return stack;
}

void StackAllocator::deallocate(const Stack& stack) noexcept {
  const std::lock_guard lock(mutex_);
  Slab* const slab = stack.slab;
  const auto index = static_cast<std::size_t>(stack.low - slab->low) / stack_size_;
  const std::uint64_t bit = std::uint64_t{1} << index;
  assert((slab->free & bit) == 0);
  if (slab->free == 0) link(slab);
  slab->free |= bit;
  --live_;
  const bool has_others = slab->next != nullptr || slab->previous != nullptr;
  if (slab->free == slab->all() && has_others) {
    unlink(slab);
    destroy_slab(slab);
  } else {
    discard_memory(stack.usable_low(), stack_size_ - Stack::guard_size);
  }
}

std::size_t StackAllocator::live() const noexcept {
  const std::lock_guard lock(mutex_);
  return live_;
}

}  // namespace switchback::core
