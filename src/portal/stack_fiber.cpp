// Making, running and suspending fibers on stacks of their own.
#include "portal/stack_fiber.hpp"

#include <new>

#include "portal/thread.hpp"

namespace switchback::portal {
namespace {

// The first data-stack chunk; deeper Python frames get further chunks from the interpreter, each
// by mmap() and munmap(), which is what the generous size avoids.
constexpr std::size_t data_stack_size = 256 * 1024;

// How much of the page that the fiber lies in is left for the C stack: an await_() called by a
// sync function called by the task's coroutine fits in.
constexpr std::size_t shared_page_c_stack = 2048;

constexpr std::size_t page_size = 4096;

}  // namespace

StackFiber* StackFiber::create(const interpreter::StackSettings& settings) {
  const core::Stack stack =
      core::map_stack(core::Stack::guard_size + c_stack_size + data_stack_size);
  if (!stack) {
    PyErr_NoMemory();
    return nullptr;
  }
  std::byte* place = stack.top() - data_stack_size + shared_page_c_stack;
  static_assert(data_stack_size % page_size == 0);
  static_assert(shared_page_c_stack % alignof(StackFiber) == 0 && shared_page_c_stack % 16 == 0);
  auto* fiber = ::new (place) StackFiber();
  fiber->stack = stack;
  fiber->Context::prepare(stack.usable_low(), place, &StackFiber::main);
  std::byte* chunk = place + (sizeof(StackFiber) + 15) / 16 * 16;
  fiber->interpreter_.prepare(chunk, static_cast<std::size_t>(stack.top() - chunk), settings);
  return fiber;
}

void StackFiber::destroy(StackFiber* fiber) {
  const core::Stack stack = fiber->stack;
  fiber->Context::dismiss();
  fiber->~StackFiber();
  core::unmap_stack(stack);
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
