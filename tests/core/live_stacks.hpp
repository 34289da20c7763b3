// Stacks and contexts for tests; every test is checked to have given back all of its stacks.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#include "core/machine_context.hpp"
#include "core/stack_allocator.hpp"

namespace switchback::core {

// How many TestStacks there are. A test after which it is not zero fails, see live_stacks.cpp.
inline std::atomic<int> live_stacks{0};

// Owns a stack with an allocator of its own.
class TestStack {
 public:
  explicit TestStack(std::size_t size = default_size)
      : allocator_(std::make_unique<StackAllocator>(size)) {
    StackFailure failure;
    stack_ = allocator_->allocate(&failure);
    if (!stack_) throw std::bad_alloc();
    ++live_stacks;
  }
  TestStack(TestStack&& other) noexcept
      : allocator_(std::move(other.allocator_)), stack_(std::exchange(other.stack_, Stack{})) {}
  TestStack(const TestStack&) = delete;
  TestStack& operator=(const TestStack&) = delete;
  TestStack& operator=(TestStack&&) = delete;
  ~TestStack() {
    if (!stack_) return;
    allocator_->deallocate(stack_);
    --live_stacks;
  }

  const Stack& operator*() const { return stack_; }
  const Stack* operator->() const { return &stack_; }

  static constexpr std::size_t default_size = Stack::guard_size + 256 * 1024;

 private:
  std::unique_ptr<StackAllocator> allocator_;
  Stack stack_;
};

// A context on a stack of its own that calls a function, once. The function has to return before
// the context is destroyed, unless the test abandons it.
class TestContext {
 public:
  using Body = std::function<void(TestContext& self)>;

  explicit TestContext(Body body, std::size_t stack_size = TestStack::default_size)
      : body_(std::move(body)), stack_(stack_size) {
    context_.prepare(stack_->usable_low(), stack_->top(), &TestContext::main);
  }
  TestContext(const TestContext&) = delete;
  TestContext& operator=(const TestContext&) = delete;
  ~TestContext() { context_.dismiss(); }

  // Runs the body until it suspends or returns. Returns whether there is more to run.
  bool resume() {
    TestContext* const outer = std::exchange(entering_, this);
    context_.resume();
    entering_ = outer;
    return !ended_;
  }
  void suspend() { context_.suspend(); }

  bool ended() const { return ended_; }
  const Stack& stack() const { return *stack_; }

 private:
  static void main(MachineContext& context) {
    TestContext& self = *entering_;
    self.body_(self);
    self.ended_ = true;
    for (;;) context.suspend();
  }

  static thread_local TestContext* entering_;
  Body body_;
  TestStack stack_;
  MachineContext context_;
  bool ended_ = false;
};

inline thread_local TestContext* TestContext::entering_ = nullptr;

}  // namespace switchback::core
