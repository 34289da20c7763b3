// Making, running and suspending fibers on stacks of their own.
#include "portal/stack_fiber.hpp"

#include <new>

#include "core/memory.hpp"
#include "core/stack_allocator.hpp"
#include "portal/thread.hpp"

namespace switchback::portal {
namespace {

using interpreter::c_stack_size;
using interpreter::data_stack_size;

// How much of the page that the fiber lies in is left for the C stack: an await_() called by a
// sync function called by the task's coroutine fits in.
constexpr std::size_t shared_page_c_stack = 2048;

// The largest page there is. Where pages are as large, the fiber is in the middle of none.
constexpr std::size_t largest_page = 64 * 1024;
static_assert(data_stack_size % largest_page == 0 && c_stack_size % largest_page == 0);
static_assert(shared_page_c_stack % alignof(StackFiber) == 0 && shared_page_c_stack % 16 == 0);

// On each side of the fiber, how much of an idle stack keeps its memory. What a step needs more
// takes it so long that a few pages more or less are not felt.
constexpr std::size_t kept_size = 64 * 1024;

// Never destroyed: daemon threads may outlive all static objects.
union Stacks {
  core::StackAllocator allocator{core::Stack::guard_size + c_stack_size + data_stack_size,
                                 data_stack_size};
  constexpr Stacks() {}
  ~Stacks() {}
};
constinit Stacks stacks;

void set_memory_error(core::StackFailure failure) {
  if (failure == core::StackFailure::no_memory) {
    PyErr_NoMemory();
    return;
  }
  PyErr_Format(PyExc_MemoryError,
               "%zu portals are suspended or kept for reuse, and the system has no more memory "
               "mappings for the stack of another: each needs two, and vm.max_map_count is %zu; "
               "raise it (sysctl vm.max_map_count), or use Linux 6.13 or later, which needs none",
               StackFiber::live(), core::most_mappings());
}

}  // namespace

StackFiber* StackFiber::create(const interpreter::StackSettings& settings) {
  core::StackFailure failure;
  const core::Stack stack = stacks.allocator.allocate(&failure);
  if (!stack) {
    set_memory_error(failure);
    return nullptr;
  }
  std::byte* place = stack.top() - data_stack_size + shared_page_c_stack;
  auto* fiber = ::new (place) StackFiber();
  fiber->stack = stack;
  fiber->Context::prepare(stack.usable_low(), place, &StackFiber::main);
  std::byte* chunk = place + (sizeof(StackFiber) + 15) / 16 * 16;
  const interpreter::StackMemory memory = {stack.usable_low(),
                                           static_cast<std::size_t>(place - stack.usable_low()),
                                           chunk, static_cast<std::size_t>(stack.top() - chunk)};
  fiber->interpreter_.prepare(memory, settings);
  return fiber;
}

void StackFiber::destroy(StackFiber* fiber) {
  const core::Stack stack = fiber->stack;
  fiber->Context::dismiss();
  fiber->~StackFiber();
  stacks.allocator.deallocate(stack);
}

std::size_t StackFiber::live() { return stacks.allocator.live(); }

void StackFiber::prepare_for_fork() {
  [[maybe_unused]] static const bool once = [] {
    core::at_fork([] { stacks.allocator.lock(); }, [] { stacks.allocator.unlock(); });
    return true;
  }();
}

// Beyond what is kept lies, on each side, a cache line that only a step that went as deep has
// written to. C frames do not write every word, but hardly leave out eight in a row. If they do, an
// idle stack holds some memory for longer.
SWITCHBACK_NO_ASAN bool StackFiber::went_deep() const {
  constexpr std::size_t words = 8;
  const std::byte* const middle = stack.top() - data_stack_size;
  const auto* below = reinterpret_cast<const std::uintptr_t*>(middle - kept_size) - words;
  const auto* above = reinterpret_cast<const std::uintptr_t*>(middle + kept_size);
  std::uintptr_t written = 0;
  for (std::size_t i = 0; i < words; ++i) written |= below[i] | above[i];
  return written != 0;
}

void StackFiber::discard_depths() {
  std::byte* const middle = stack.top() - data_stack_size;
  std::byte* const low = stack.usable_low();
  core::discard_memory(low, static_cast<std::size_t>(middle - kept_size - low));
  core::discard_memory(middle + kept_size, data_stack_size - kept_size);
}

void StackFiber::main(core::Context& context) {
  auto& self = static_cast<StackFiber&>(context);
  for (;;) {
    self.do_job();
    context.suspend();
  }
}

bool StackFiber::run_on_stack(PyThreadState* state, Thread& thread) {
  if (interpreter_.has_private_context()) interpreter_.rebase_private_context(state);
  Fiber* const outer = thread.enter_native(this);
  interpreter::Resumer resumer;
  interpreter_.enter(state, resumer);
  Context::resume(thread.exception_globals());
  interpreter_.leave(state, resumer);
  thread.leave_native(outer);
  if (ended() && interpreter_.has_leftovers()) {
    RaisedScope raised;
    interpreter_.finish();
  }
  return ended();
}

PyObject* StackFiber::suspend_stack(PyObject* trap, PyObject* awaited, PyObject** exception) {
  before_suspend(trap, awaited);
  Context::suspend();
  return after_suspend(exception);
}

}  // namespace switchback::portal
