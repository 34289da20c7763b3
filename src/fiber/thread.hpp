// What an operating-system thread owns: idle fibers, and which ones run or are suspended in it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/exception_globals.hpp"
#include "core/stack_pool.hpp"
#include "fiber/delegated_fiber.hpp"
#include "fiber/fiber.hpp"
#include "fiber/stack_fiber.hpp"
#include "fiber/unwind_list.hpp"
#include "foreign/thread_words.hpp"
#include "interpreter/reprs_under_way.hpp"

namespace switchback::fiber {

// All of it is used under the GIL only, except for `alive` and what the thread looks at as it ends:
// it has no GIL then, while others may still drop jobs that it had suspended.
class Thread {
 public:
  // The calling thread's, made on first use; nullptr with MemoryError set if there is no memory.
  static Thread* of_this_thread() {
    Thread* thread = this_thread_;
    return thread != nullptr ? thread : create();
  }

  // Has the jobs that are suspended in a thread state unwound when it ends. Cheap after the first
  // time; returns false with an exception set on failure.
  bool watch(PyThreadState* thread_state) {
    return watched_state_ == thread_state->id || start_to_watch(thread_state);
  }

  // The innermost fiber that runs in this thread, or nullptr.
  static Fiber* current_fiber() {
    const Thread* thread = this_thread_;
    if (thread == nullptr) return nullptr;
    if (thread->native_ != nullptr || thread->away_ == nullptr) return thread->native_;
    return thread->find_away();
  }
  // The fiber on whose stack we are, or nullptr on the thread's own.
  static StackFiber* native_fiber() {
    const Thread* thread = this_thread_;
    return thread == nullptr ? nullptr : thread->native_;
  }

  // Bracket the run of a native fiber on its stack; enter_native() returns what leave_native() is
  // given.
  StackFiber* enter_native(StackFiber* fiber) {
    last_native_ = fiber;
    return std::exchange(native_, fiber);
  }
  void leave_native(StackFiber* outer) { native_ = outer; }
  bool in_native() const { return native_ != nullptr; }
  // Whether no other native fiber has run in this thread since `fiber` did.
  bool ran_last(const Fiber* fiber) const { return fiber == last_native_; }

  // Makes `call` on the thread's own stack, on behalf of a step inside the one that runs here.
  PyObject* call_on_own_stack(Call call, const Places& places) const {
    return native_ == nullptr ? call() : native_->run_errand(call, places, false);
  }

  // Bracket the run of a delegated fiber, and of a native one on an errand: on the thread's own
  // stack. Places may take turns, so the first to be added need not be the last to be removed. One
  // whose place is left for good stays.
  void add_away(Fiber* fiber) {
    fiber->next_away_ = away_;
    away_ = fiber;
  }
  void remove_away(Fiber* fiber);

  // An idle fiber, from the pool or new; nullptr with MemoryError set on failure.
  StackFiber* take_idle_stack(const interpreter::StackSettings& settings) {
    core::PooledStack* pooled = idle_stacks_.take();
    return pooled != nullptr ? static_cast<StackFiber*>(pooled) : StackFiber::create(settings);
  }
  // An idle fiber from the pool, or nullptr.
  DelegatedFiber* take_idle_delegated();
  // Takes a fiber back whose job has ended. May run Python code, for a delegated one.
  void give_idle(Fiber* fiber);

  // Notes the fibers of jobs that have been suspended, until they end: not at each switch, which
  // would write to the stacks of two others.
  void list_unfinished(Fiber* fiber, const PyThreadState* thread_state);
  static void unlist(Fiber* fiber);
  // Leaves a suspended fiber as it is for good, with all that its frames refer to. May be called in
  // any thread, even while the fiber's own one ends.
  static void abandon(Fiber* fiber);

  // Has every job unwound that is suspended in this thread and in `thread_state`, and those that
  // were adopted. Runs Python code.
  void unwind_suspended(PyThreadState* thread_state);

  // False once the thread has ended; what it had suspended can never run again.
  bool alive() const { return alive_.load(std::memory_order_acquire); }

  // Keeps `owner` (borrowed) alive until it can be unwound in this thread, for others that have
  // dropped it in another thread or at another place. unwind_adopted() runs Python code.
  void adopt(PyObject* owner);
  bool has_adopted() const { return !adopted_.empty(); }
  void unwind_adopted();

  // As of threading.get_ident().
  unsigned long identifier() const { return identifier_; }

  core::ExceptionGlobals& exception_globals() { return exceptions_; }
  foreign::ThreadWords& foreign_words() { return foreign_words_; }
  // Of the thread state that is watched.
  interpreter::ReprList& reprs() { return reprs_; }
  std::size_t idle_stacks() const { return idle_stacks_.idle(); }

 private:
  struct AtThreadExit;
  Thread() = default;
  static Thread* create();
  bool start_to_watch(PyThreadState* thread_state);
  static void at_state_end(PyObject* watch);
  [[gnu::noinline]] Fiber* find_away() const;
  void list_suspended(const PyThreadState* thread_state, UnwindList& owners) const;

  // Beyond this number, stacks go back to the system when their job ends.
  static constexpr std::size_t most_idle = 1024;

  static constinit thread_local Thread* this_thread_;
  const unsigned long identifier_ = PyThread_get_thread_ident();
  core::ExceptionGlobals& exceptions_ = core::ExceptionGlobals::of_this_thread();
  StackFiber* native_ = nullptr;              // on whose stack we are
  const Fiber* last_native_ = nullptr;        // compared only: it may be gone
  Fiber* away_ = nullptr;                     // a list, the latest first: see add_away()
  DelegatedFiber* idle_delegated_ = nullptr;  // a list
  foreign::ThreadWords foreign_words_;
  interpreter::ReprList reprs_;
  core::StackPool idle_stacks_{most_idle};
  std::atomic<Fiber*> unfinished_ = nullptr;  // a list
  UnwindList adopted_;
  bool has_abandoned_ = false;
  std::uint64_t watched_state_ = 0;  // the id of the thread state used last; no state has 0
  std::atomic<bool> alive_{true};
};

}  // namespace switchback::fiber
