// Making, running and suspending fibers, and what each thread owns of them.
#include "portal/fiber.hpp"

#include <new>

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

Fiber* Fiber::create(const interpreter::StackSettings& settings) {
  const core::Stack stack =
      core::map_stack(core::Stack::guard_size + c_stack_size + data_stack_size);
  if (!stack) {
    PyErr_NoMemory();
    return nullptr;
  }
  std::byte* place = stack.top() - data_stack_size + shared_page_c_stack;
  static_assert(data_stack_size % page_size == 0);
  static_assert(shared_page_c_stack % alignof(Fiber) == 0 && shared_page_c_stack % 16 == 0);
  auto* fiber = ::new (place) Fiber();
  fiber->stack = stack;
  fiber->context_.prepare(stack.usable_low(), place, &Fiber::main);
  std::byte* chunk = place + (sizeof(Fiber) + 15) / 16 * 16;
  fiber->interpreter_.prepare(chunk, static_cast<std::size_t>(stack.top() - chunk), settings);
  return fiber;
}

void Fiber::destroy(Fiber* fiber) {
  const core::Stack stack = fiber->stack;
  fiber->context_.dismiss();
  fiber->~Fiber();
  core::unmap_stack(stack);
}

void Fiber::main(core::Context& context) {
  // The context is a member of the fiber; offsetof is exact for this class on every supported
  // compiler, though the standard leaves it conditionally supported.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
  auto& self = *reinterpret_cast<Fiber*>(reinterpret_cast<std::byte*>(&context) -
                                         offsetof(Fiber, context_));
#pragma GCC diagnostic pop
  for (;;) {
    self.job_status_ = self.job_(self.portal_, self.argument_, &self.result_);
    self.ended_ = true;
    context.suspend();
  }
}

bool Fiber::run(PyThreadState* state, Thread& thread) {
  assert(!PyErr_Occurred());
  if (interpreter_.has_private_context()) interpreter_.rebase_private_context(state);
  Fiber* const outer = thread.current_;
  thread.current_ = this;
  ended_ = false;
  interpreter::Resumer resumer;
  interpreter_.enter(state, resumer);
  context_.resume(thread.exceptions_);
  interpreter_.leave(state, resumer);
  thread.current_ = outer;
  if (ended_ && interpreter_.has_leftovers()) {
    RaisedScope raised;
    interpreter_.finish();
  }
  return ended_;
}

PyObject* Fiber::suspend(PyObject* trap, PyObject* awaited, PyObject** exception) {
  assert(!PyErr_Occurred());
  result_ = trap;
  awaited_ = awaited;
  context_.suspend();
  awaited_ = nullptr;
  *exception = std::exchange(message_exception_, nullptr);
  return std::exchange(message_value_, nullptr);
}

thread_local Thread* Thread::this_thread_ = nullptr;

// Frees what a thread owns when it ends. A fiber that is still suspended then is leaked, with the
// objects that its C frames refer to: nothing may ever run on it again, and nothing can tell what
// else points into it.
struct Thread::AtThreadExit {
  Thread* thread = nullptr;
  ~AtThreadExit() {
    if (thread == nullptr) return;
    while (core::PooledStack* idle = thread->idle_.take()) {
      Fiber::destroy(static_cast<Fiber*>(idle));
    }
    this_thread_ = nullptr;
    thread->alive_.store(false, std::memory_order_release);
    const bool referred_to =
        thread->suspended_ != nullptr || thread->current_ != nullptr || thread->has_adopted() ||
        thread->has_abandoned_;
    if (!referred_to) delete thread;
  }
};

Thread* Thread::create() {
  static thread_local AtThreadExit at_exit;
  this_thread_ = at_exit.thread = new (std::nothrow) Thread();
  if (this_thread_ == nullptr) PyErr_NoMemory();
  return this_thread_;
}

PyObject* Thread::suspended_portals() const {
  PyObject* portals = PyList_New(0);
  if (portals == nullptr) return nullptr;
  for (const Fiber* fiber = suspended_; fiber != nullptr; fiber = fiber->next_suspended_) {
    if (PyList_Append(portals, reinterpret_cast<PyObject*>(fiber->portal_)) < 0) {
      Py_DECREF(portals);
      return nullptr;
    }
  }
  return portals;
}

void Thread::give_idle(Fiber* fiber) {
  if (!idle_.give(fiber)) Fiber::destroy(fiber);
}

void Thread::adopt(PyObject* portal) {
  if (adopted_ == nullptr) {
    PyObject* list = PyList_New(0);  // may collect garbage, and come here again
    if (adopted_ == nullptr) {
      adopted_ = list;
    } else {
      Py_XDECREF(list);
    }
  }
  if (adopted_ == nullptr || PyList_Append(adopted_, portal) < 0) {
    // Out of memory: leaked rather than unwound in the wrong thread.
    PyErr_Clear();
    Py_INCREF(portal);
  }
}

Ref Thread::take_adopted() { return Ref::steal(std::exchange(adopted_, nullptr)); }

}  // namespace switchback::portal
