// Slabs: reserving them, and keeping account of their stacks.
#include "core/stack_allocator.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>
#include <mutex>
#include <new>

#include "core/os/system.hpp"
#include "core/slab_layout.hpp"

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
constexpr std::size_t most_in_slab = SlabLayout::most_stacks;

// How many stacks are prepared ahead of their use: at most one in so many of those in use, which
// is less than 0.1 kB for each of these.
constexpr std::size_t most_unused_share = 64;
constexpr std::size_t most_in_batch = 16;

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
  if (stack_size_ > std::numeric_limits<std::size_t>::max() / (2 * most_in_slab)) return nullptr;
  auto* slab = new (std::nothrow) Slab{};
  if (slab == nullptr) return nullptr;
  const SlabLayout layout(stack_size_, page_size());
  // As many as there are, or fewer where address space is scarce.
  for (std::size_t count = std::clamp(std::bit_floor(live_ + 1), fewest_in_slab, most_in_slab);
       count > 0; count /= 2) {
    slab->low = reserve_memory(layout.slab_size(count), page_table_span,
                               SlabLayout::place_in_span(slabs_made_));
    if (slab->low != nullptr) {
      ++slabs_made_;
      slab->count = count;
      slab->free = slab->all();
      return slab;
    }
  }
  delete slab;
  return nullptr;
}

void StackAllocator::destroy_slab(Slab* slab) noexcept {
  const SlabLayout layout(stack_size_, page_size());
  release_memory(slab->low, layout.slab_size(slab->count), slab->guard_mappings);
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

// Installs the guards of several stacks, and gives the page that each is going to use first its
// memory. That takes less time than one by one, but memory for stacks that may not be used: so it
// is done where these are few next to those in use.
bool StackAllocator::prepare_batch(Slab& slab, std::size_t first) noexcept {
  const std::size_t fitting = std::min(live_ / most_unused_share, most_in_batch);
  const std::size_t count = std::min(fitting, slab.count - first);
  if (count < 2) return false;
  const std::uint64_t bits = (~std::uint64_t{0} >> (64 - count)) << first;
  // What has been guarded before has been used before.
  if ((slab.guarded & bits) != 0) return false;
  const SlabLayout layout(stack_size_, page_size());
  std::byte* const low = slab.low + first * layout.spacing();
  if (!install_guards({low, Stack::guard_size, layout.spacing(), count})) return false;
  slab.guarded |= bits;
  if (first_used_ != 0) {
    populate({low + stack_size_ - first_used_, page_size(), layout.spacing(), count});
  }
  return true;
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
  const SlabLayout layout(stack_size_, page_size());
  Slab* const slab = available_;
  const auto index = static_cast<std::size_t>(std::countr_zero(slab->free));
  const std::uint64_t bit = std::uint64_t{1} << index;
  const Stack stack{slab->low + index * layout.spacing(), stack_size_, slab};
  if ((slab->guarded & bit) == 0 && !prepare_batch(*slab, index)) {
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
  const SlabLayout layout(stack_size_, page_size());
  Slab* const slab = stack.slab;
  const auto index = static_cast<std::size_t>(stack.low - slab->low) / layout.spacing();
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

bool StackAllocator::resize(std::size_t stack_size, std::size_t first_used) noexcept {
  const std::lock_guard lock(mutex_);
  if (slabs_made_ != 0) return false;
  stack_size_ = stack_size;
  first_used_ = first_used;
  return true;
}

std::size_t StackAllocator::stack_size() const noexcept {
  const std::lock_guard lock(mutex_);
  return stack_size_;
}

std::size_t StackAllocator::live() const noexcept {
  const std::lock_guard lock(mutex_);
  return live_;
}

}  // namespace switchback::core
