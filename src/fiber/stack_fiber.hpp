// A fiber with a C stack of its own, and the interpreter state that goes with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/address.hpp"
#include "core/machine_context.hpp"
#include "core/stack_pool.hpp"
#include "fiber/errand.hpp"
#include "fiber/fiber.hpp"
#include "foreign/thread_words.hpp"
#include "interpreter/frame_references.hpp"
#include "interpreter/reprs_under_way.hpp"
#include "interpreter/stack_state.hpp"

namespace switchback::fiber {

// Lies near the top of its own stack.
//
//                 one page, the only one that a shallow await_() touches
//               |<--------------------------------------------------------->|
//   guard  ...  |  C stack, grows downwards  | Fiber | data stack, grows up | ... data stack
//
class StackFiber : public Fiber, public core::PooledStack, private core::MachineContext {
 public:
  // Makes a fiber on a stack of its own. Returns nullptr with MemoryError set on failure.
  static StackFiber* create(const interpreter::StackSettings& settings);

  // Unmakes an idle fiber, and gives its stack back. In any thread, also without the GIL.
  static void destroy(StackFiber* fiber);

  // Gives back the memory of an idle fiber that has gone deep, all but what is used again at once.
  void trim() {
    if (went_deep()) discard_depths();
  }

  // Has the processor load what the next switch to a shallow step needs. Where a thousand portals
  // take turns, none of that is in its caches, and the step would wait for one line after another.
  void prefetch() const {
    constexpr std::size_t below = 960, size = 1536;
    core::prefetch_memory(reinterpret_cast<const std::byte*>(this) - below, size);
  }

  // How many stacks there are in the process, idle ones included.
  static std::size_t live();

  // How large each stack is, guard included. It can be set until there is one, and is rounded up;
  // set_stack_size() returns false with an exception set where it cannot be as asked.
  static std::size_t stack_size();
  static bool set_stack_size(long long size);

  // Once, at the start: keeps what is shared by threads in order across fork().
  static void prepare_for_fork();

  // Fiber::run() and Fiber::suspend(), which see.
  bool run_on_stack(PyThreadState* thread_state, Thread& thread);
  PyObject* suspend_stack(PyObject* trap, PyObject* awaited, PyObject** exception);

  // On the fiber: has `call` made on the stack of whoever runs it, and returns what that returns.
  // What may switch: this does, and the call may suspend the step by await_() in one of `places`.
  PyObject* run_errand(Call call, const Places& places, bool is_own);
  bool is_on_errand() const { return errand_ != nullptr; }
  // Once, at the start.
  static void watch_errands(const ErrandWatch& watch);
  // Fiber::suspend() from the place where an errand of this fiber has led.
  PyObject* suspend_on_errand(PyObject* trap, PyObject* awaited, PyObject** exception);

  // Fiber::innermost_frame(), which see.
  PyObject* frame_on_stack(PyThreadState* thread_state) const {
    return interpreter_.innermost_frame(thread_state);
  }

  // While suspended, in any thread: whether what the stack refers to can be shown to the garbage
  // collector. The same each time until Python code has run.
  bool can_be_visited() const;
  // Shows it. By `await`, which is what has suspended the stack, the frame is known that has called
  // it; `await` and `target` are borrowed. `target` is what the job runs: the job's reference to
  // that is shown as well. No Python code runs.
  int traverse(PyObject* await, PyObject* target, visitproc visit, void* arg);
  // Keeps the collector from finalizing what runs on the stack, until that is resumed. It is for
  // the owner to bring it to an end.
  void mark_running(PyObject* target);

 private:
  StackFiber() : Fiber(true) {}
  ~StackFiber() = default;
  static void main(core::MachineContext& context);
  bool went_deep() const;
  void discard_depths();
  bool go_on_errand(Thread& thread);
  void put_back(Thread& thread, bool nested);
  void put_aside(Thread& thread);
  PyObject* take_up_errand(const Thread& thread);
  void unmark_running();

  interpreter::StackState interpreter_;
  // What lies below is given back when the fiber is idle.
  const std::byte* kept_low_ = nullptr;
  bool suspended_deep_ = false;
  Errand* errand_ = nullptr;                  // on this stack; nullptr while it runs on none
  std::uint64_t marks_ = 0;                   // see interpreter::mark_generators()
  PyObject* marked_[2] = {nullptr, nullptr};  // borrowed from the stack
  foreign::PutAside foreign_;
  interpreter::ReprsUnderWay reprs_;
};

}  // namespace switchback::fiber
