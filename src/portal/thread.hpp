// What an operating-system thread owns: idle fibers, and which ones run or are suspended in it.
#pragma once

#include <atomic>
#include <cstddef>

#include "portal/fiber.hpp"
#include "portal/greenlet_fiber.hpp"
#include "portal/stack_fiber.hpp"

namespace switchback::portal {

// All of it is used under the GIL only, except for `alive` and what the thread looks at as it ends:
// it has no GIL then, while others may still drop portals that it had suspended.
class Thread {
 public:
  // The calling thread's, made on first use; nullptr with MemoryError set if there is no memory.
  static Thread* of_this_thread() {
    Thread* thread = this_thread_;
    return thread != nullptr ? thread : create();
  }

  // Has the portals that are suspended in a thread state unwound when it ends. Cheap after the
  // first time; returns false with an exception set on failure.
  bool watch(PyThreadState* state) { return watched_state_ == state->id || start_to_watch(state); }

  // The innermost fiber that runs in this thread, or nullptr.
  static Fiber* current_fiber() {
    const Thread* thread = this_thread_;
    if (thread == nullptr) return nullptr;
    return thread->running_greenlets_ == nullptr ? thread->native_ : thread->find_current();
  }

  // Bracket the run of a native fiber; enter_native() returns what leave_native() is given.
  Fiber* enter_native(Fiber* fiber) {
    last_native_ = fiber;
    return std::exchange(native_, fiber);
  }
  void leave_native(Fiber* outer) { native_ = outer; }
  bool in_native() const { return native_ != nullptr; }
  // Whether no other native fiber has run in this thread since `fiber` did.
  bool ran_last(const Fiber* fiber) const { return fiber == last_native_; }

  // Bracket the run of a greenlet fiber.
  void add_running(GreenletFiber* fiber);
  void remove_running(GreenletFiber* fiber);

  // An idle fiber, from the pool or new; nullptr with MemoryError set on failure.
  StackFiber* take_idle_stack(const interpreter::StackSettings& settings) {
    core::PooledStack* pooled = idle_stacks_.take();
    return pooled != nullptr ? static_cast<StackFiber*>(pooled) : StackFiber::create(settings);
  }
  GreenletFiber* take_idle_greenlet(const GreenletApi& api);
  // Takes a fiber back whose step has ended. May run Python code, for a greenlet that is dropped.
  void give_idle(Fiber* fiber);

  // Notes the fibers of steps that have been suspended, until they end: not at each switch, which
  // would write to the stacks of two others.
  void list_unfinished(Fiber* fiber, const PyThreadState* state) {
    fiber->set_thread(this, state);
    Fiber* const next = unfinished_.load(std::memory_order_relaxed);
    fiber->next_unfinished_.store(next, std::memory_order_relaxed);
    if (next != nullptr) next->link_ = &fiber->next_unfinished_;
    unfinished_.store(fiber, std::memory_order_relaxed);
    fiber->link_ = &unfinished_;
  }
  static void unlist(Fiber* fiber) {
    Fiber* const next = fiber->next_unfinished_.load(std::memory_order_relaxed);
    if (next != nullptr) next->link_ = fiber->link_;
    // A thread that finds its list empty as it ends has to see what was written before.
    std::exchange(fiber->link_, nullptr)->store(next, std::memory_order_release);
    fiber->next_unfinished_.store(nullptr, std::memory_order_relaxed);
  }
  // Leaves a suspended fiber as it is for good, with all that its frames refer to. May be called in
  // any thread, even while the fiber's own one ends.
  static void abandon(Fiber* fiber) {
    fiber->thread_->has_abandoned_ = true;
    unlist(fiber);
    fiber->portal_ = nullptr;
  }
  // The portals that are suspended in this thread and in `state`, as a new list; nullptr with
  // MemoryError set on failure.
  PyObject* suspended_portals(const PyThreadState* state) const;

  // False once the thread has ended; what it had suspended can never run again.
  bool alive() const { return alive_.load(std::memory_order_acquire); }

  // Portals that were dropped in another thread, to be closed in this one; take_adopted() returns
  // a list, or an empty reference.
  void adopt(PyObject* portal);
  bool has_adopted() const { return adopted_ != nullptr; }
  Ref take_adopted() { return Ref::steal(std::exchange(adopted_, nullptr)); }

  // As of threading.get_ident().
  unsigned long identifier() const { return identifier_; }

  core::ExceptionGlobals& exception_globals() { return exceptions_; }
  std::size_t idle_stacks() const { return idle_stacks_.idle(); }

 private:
  struct AtThreadExit;
  Thread() = default;
  static Thread* create();
  bool start_to_watch(PyThreadState* state);
  static void at_state_end(PyObject* watch);
  [[gnu::noinline]] Fiber* find_current() const;

  // Beyond this number, stacks go back to the system when their step ends.
  static constexpr std::size_t most_idle = 1024;

  static constinit thread_local Thread* this_thread_;
  const unsigned long identifier_ = PyThread_get_thread_ident();
  core::ExceptionGlobals& exceptions_ = core::ExceptionGlobals::of_this_thread();
  Fiber* native_ = nullptr;                     // the innermost native fiber that runs
  const Fiber* last_native_ = nullptr;          // compared only: it may be gone
  GreenletFiber* running_greenlets_ = nullptr;  // a list, the latest first
  GreenletFiber* idle_greenlets_ = nullptr;     // a list
  core::StackPool idle_stacks_{most_idle};
  std::atomic<Fiber*> unfinished_ = nullptr;  // a list
  PyObject* adopted_ = nullptr;               // a list object, or nullptr
  bool has_abandoned_ = false;
  std::uint64_t watched_state_ = 0;  // the id of the thread state used last; no state has 0
  std::atomic<bool> alive_{true};
};

}  // namespace switchback::portal
