// A last-in-first-out pool of stacks, each with the object that occupies its top.
#pragma once

#include <cassert>
#include <cstddef>

#include "core/stack.hpp"

namespace switchback::core {

// Base of what is placed on a stack, so that the pool needs no memory of its own.
struct PooledStack {
  Stack stack;
  PooledStack* next_idle = nullptr;
};

// Keeps idle stacks for reuse: the last one given back is taken first, as its pages are warm.
// Used by one thread. The pool owns the idle stacks only; the destructor of its owner must drain
// it with take(), as only the owner knows how to unmake what lies on a stack.
class StackPool {
 public:
  explicit StackPool(std::size_t capacity) : capacity_(capacity) {}
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;
  ~StackPool() { assert(idle_ == 0 && "the owner drains the pool"); }

  // Returns an idle stack, or nullptr.
  PooledStack* take() noexcept {
    PooledStack* taken = first_;
    if (taken != nullptr) {
      first_ = taken->next_idle;
      taken->next_idle = nullptr;
      --idle_;
    }
    return taken;
  }

  // Takes ownership and returns true, or returns false when the pool is full.
  bool give(PooledStack* stack) noexcept {
    assert(stack->next_idle == nullptr && stack != first_);
    if (idle_ == capacity_) return false;
    stack->next_idle = first_;
    first_ = stack;
    ++idle_;
    return true;
  }

  std::size_t idle() const noexcept { return idle_; }

 private:
  PooledStack* first_ = nullptr;
  std::size_t idle_ = 0;
  std::size_t capacity_;
};

}  // namespace switchback::core
