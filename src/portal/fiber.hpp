// A fiber: a C stack, a machine context, and the interpreter state that belongs to the stack.
#pragma once

#include <atomic>
#include <cstddef>

#include "core/context.hpp"
#include "core/stack_pool.hpp"
#include "interpreter/stack_state.hpp"
#include "portal/ref.hpp"

namespace switchback::portal {

struct Portal;
class Thread;

// Runs one step of a portal at a time. Lies near the top of its own stack and is reused for step
// after step; a fiber whose step has not ended, because await_() suspended it, belongs to its
// portal until it is resumed.
//
//                 one page, the only one that a shallow await_() touches
//               |<--------------------------------------------------------->|
//   guard  ...  |  C stack, grows downwards  | Fiber | data stack, grows up | ... data stack
//
class Fiber : public core::PooledStack {
 public:
  // Up to 3.13 nothing measures the C stack itself, so whatever recurses to some depth on the main
  // thread's 8 MiB has to fit here as well. Address space only: untouched pages cost nothing.
  static constexpr std::size_t c_stack_size = 8 * 1024 * 1024;

  // What runs on the fiber: a step of `portal` with `argument` (borrowed), setting *result.
  using Job = PySendResult (*)(Portal* portal, PyObject* argument, PyObject** result);

  // Maps a stack and makes a fiber on it. Returns nullptr with MemoryError set on failure.
  static Fiber* create(const interpreter::StackSettings& settings);

  // Unmaps an idle fiber.
  static void destroy(Fiber* fiber);

  // Prepares an idle fiber for its next run().
  void set_job(Job job, Portal* portal, PyObject* argument) {
    job_ = job;
    portal_ = portal;
    argument_ = argument;
  }

  // Prepares a suspended fiber for its next run(): suspend() is going to return `value` (stolen),
  // or, where that is nullptr, hand over `exception` (stolen).
  void set_message(PyObject* value, PyObject* exception) {
    message_value_ = value;
    message_exception_ = exception;
  }

  // Runs the fiber until its job ends (returns true) or suspend() is called in it (false). No
  // exception may be set. What may switch: this does; it runs Python code.
  bool run(PyThreadState* state, Thread& thread);

  // After run() returned true: the job's outcome.
  PySendResult job_result(PyObject** value) const {
    *value = result_;
    return job_status_;
  }
  // After run() returned false: the trap to hand to the event loop; an owned reference.
  PyObject* trap() const { return result_; }

  // On the running fiber: gives `trap` (stolen) to whoever runs the fiber, and waits for its
  // answer. Returns the value sent, an owned reference; or nullptr, with an owned *exception to be
  // raised.
  // `awaited` (borrowed, alive meanwhile) is what await_() drives.
  PyObject* suspend(PyObject* trap, PyObject* awaited, PyObject** exception);

  // The portal whose step this is; nullptr once a suspended fiber has been abandoned.
  Portal* portal() const { return portal_; }
  // While suspended: what await_() drives, borrowed.
  PyObject* awaited() const { return awaited_; }

  // Whether this suspended fiber may be resumed here. C frames on its stack hold on to the thread
  // state that it was suspended in, so both the thread and the state have to be the same.
  bool belongs_to(const Thread* thread, const PyThreadState* state) const {
    return thread_ == thread && thread_state_id_ == state->id;
  }
  Thread* thread() const { return thread_; }

 private:
  friend class Thread;
  Fiber() = default;
  ~Fiber() = default;
  static void main(core::Context& context);

  core::Context context_;
  Job job_ = nullptr;
  Portal* portal_ = nullptr;       // borrowed: the caller of the step holds it
  PyObject* argument_ = nullptr;   // borrowed from the caller of the step; for the job's start only
  PyObject* awaited_ = nullptr;    // borrowed from await_(), while suspended
  PyObject* result_ = nullptr;     // owned, in transit
  PyObject* message_value_ = nullptr;      // owned, in transit
  PyObject* message_exception_ = nullptr;  // owned, in transit
  PySendResult job_status_ = PYGEN_ERROR;
  bool ended_ = false;

  // While suspended: the thread that has to resume it, and its place in that thread's list.
  Thread* thread_ = nullptr;
  std::uint64_t thread_state_id_ = 0;
  Fiber* next_suspended_ = nullptr;
  Fiber** link_ = nullptr;  // what points at this fiber in the list

  interpreter::StackState interpreter_;
};

// What an operating-system thread owns: idle fibers, and the lists of running and suspended ones.
// All of it is used under the GIL only, `alive` excepted.
class Thread {
 public:
  // The calling thread's, made on first use; nullptr with MemoryError set if there is no memory.
  static Thread* of_this_thread() {
    Thread* thread = this_thread_;
    return thread != nullptr ? thread : create();
  }

  // The innermost fiber that runs in this thread, or nullptr.
  static Fiber* current_fiber() {
    const Thread* thread = this_thread_;
    return thread != nullptr ? thread->current_ : nullptr;
  }

  // An idle fiber, from the pool or new; nullptr with MemoryError set on failure.
  Fiber* take_idle(const interpreter::StackSettings& settings) {
    core::PooledStack* pooled = idle_.take();
    return pooled != nullptr ? static_cast<Fiber*>(pooled) : Fiber::create(settings);
  }
  void give_idle(Fiber* fiber);

  void add_suspended(Fiber* fiber, const PyThreadState* state) {
    fiber->thread_ = this;
    fiber->thread_state_id_ = state->id;
    fiber->next_suspended_ = suspended_;
    if (suspended_ != nullptr) suspended_->link_ = &fiber->next_suspended_;
    suspended_ = fiber;
    fiber->link_ = &suspended_;
  }
  static void remove_suspended(Fiber* fiber) {
    *fiber->link_ = fiber->next_suspended_;
    if (fiber->next_suspended_ != nullptr) fiber->next_suspended_->link_ = fiber->link_;
    fiber->link_ = nullptr;
    fiber->next_suspended_ = nullptr;
  }
  // Leaves a suspended fiber as it is for good, with all that its frames refer to.
  static void abandon(Fiber* fiber) {
    remove_suspended(fiber);
    fiber->portal_ = nullptr;
    fiber->thread_->has_abandoned_ = true;
  }
  // The portals of all suspended fibers, as a new list; nullptr with MemoryError set on failure.
  PyObject* suspended_portals() const;

  // False once the thread has ended; what it had suspended can never run again.
  bool alive() const { return alive_.load(std::memory_order_acquire); }

  // Portals that were dropped in another thread; owned references, to be closed in this one.
  void adopt(PyObject* portal);
  bool has_adopted() const { return adopted_ != nullptr; }
  Ref take_adopted();

  std::size_t idle_fibers() const { return idle_.idle(); }

 private:
  friend class Fiber;
  struct AtThreadExit;
  Thread() = default;
  static Thread* create();

  // Beyond this number, stacks go back to the system when their step ends.
  static constexpr std::size_t most_idle = 1024;

  static thread_local Thread* this_thread_;
  core::ExceptionGlobals& exceptions_ = core::ExceptionGlobals::of_this_thread();
  Fiber* current_ = nullptr;
  core::StackPool idle_{most_idle};
  Fiber* suspended_ = nullptr;
  PyObject* adopted_ = nullptr;  // a list, or nullptr
  bool has_abandoned_ = false;
  std::atomic<bool> alive_{true};
};

}  // namespace switchback::portal
