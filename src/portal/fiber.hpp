// A fiber: a stack on which a step of a portal runs, and what passes between it and its resumer.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <utility>

#include "portal/ref.hpp"

namespace switchback::portal {

struct Portal;
class Thread;

// Who switches stacks: we do, or greenlet does, by copying parts of the one stack of the thread.
enum class Backend : std::uint8_t { native, greenlet };

// Runs one step of a portal at a time, and is reused for step after step. A fiber whose step has
// not ended, because await_() suspended it, belongs to its portal until it is resumed.
//
// What a backend does is in its subclass: StackFiber or GreenletFiber.
class Fiber {
 public:
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  Backend backend() const { return backend_; }

  // Keeps the fiber for the frame of await_() that uses it: a greenlet may wait in there when the
  // step that it belongs to, and the portal, have ended. Nothing goes on running on a stack of ours
  // that has been given back.
  Ref keep() const;

  // What runs on the fiber: a step of `portal` with `argument` (borrowed), setting *result.
  using Job = PySendResult (*)(Portal* portal, PyObject* argument, PyObject** result);

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
  // exception may be set before; the one that ended the job is set after. What may switch: this
  // does; it runs Python code.
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
  // raised. `awaited` (borrowed, alive meanwhile) is what await_() drives.
  PyObject* suspend(PyObject* trap, PyObject* awaited, PyObject** exception);

  // The portal whose step this is; nullptr once a suspended fiber has been abandoned.
  Portal* portal() const { return portal_; }
  // While suspended: what await_() drives, borrowed. nullptr once something else than the portal
  // has resumed it, which greenlets can do.
  PyObject* awaited() const { return awaited_; }

  // Whether this suspended fiber may be resumed here. C frames on its stack hold on to the thread
  // state that it was suspended in, so both the thread and the state have to be the same.
  bool belongs_to(const Thread* thread, const PyThreadState* state) const {
    return thread_ == thread && thread_state_id_ == state->id;
  }
  Thread* thread() const { return thread_; }
  // Whether the thread state of this suspended fiber has ended, so that nothing can resume it.
  bool stranded() const;
  // Whether it is in its thread's list.
  bool is_listed() const { return link_ != nullptr; }
  void set_thread(Thread* thread, const PyThreadState* state) {
    thread_ = thread;
    thread_state_id_ = state->id;
  }

 protected:
  explicit Fiber(Backend backend) : backend_(backend) {}
  ~Fiber() = default;

  // On the fiber: runs the job and notes its outcome. The exception that ended it stays set.
  void do_job() {
    job_status_ = job_(portal_, argument_, &result_);
    ended_ = true;
  }

  // In run(), with an exception set: the job is taken to have ended with it.
  void fail_job() {
    result_ = nullptr;
    job_status_ = PYGEN_ERROR;
    ended_ = true;
  }

  // The two halves of suspend(), around the switch.
  void before_suspend(PyObject* trap, PyObject* awaited) {
    assert(!PyErr_Occurred());
    result_ = trap;
    awaited_ = awaited;
    ended_ = false;
  }
  PyObject* after_suspend(PyObject** exception) {
    awaited_ = nullptr;
    *exception = std::exchange(message_exception_, nullptr);
    return std::exchange(message_value_, nullptr);
  }

  // For a fiber that was resumed by something else than run(): forgets what it awaited, and drops
  // the message that set_message() may have left.
  void drop_message() {
    Ref::steal(std::exchange(message_value_, nullptr));
    Ref::steal(std::exchange(message_exception_, nullptr));
    awaited_ = nullptr;
  }

  bool ended() const { return ended_; }

 private:
  friend class Thread;

  Job job_ = nullptr;
  Portal* portal_ = nullptr;      // borrowed: the caller of the step holds it
  PyObject* argument_ = nullptr;  // borrowed from the caller of the step; for the job's start only
  PyObject* awaited_ = nullptr;   // borrowed from await_(), while suspended
  PyObject* result_ = nullptr;    // owned, in transit
  PyObject* message_value_ = nullptr;      // owned, in transit
  PyObject* message_exception_ = nullptr;  // owned, in transit
  PySendResult job_status_ = PYGEN_ERROR;
  bool ended_ = false;
  Backend backend_;

  // From the first suspension of a step to its end: the thread that has to resume it, and the place
  // in that thread's list. The thread also while a portal keeps the fiber for its next step.
  Thread* thread_ = nullptr;
  std::uint64_t thread_state_id_ = 0;
  std::atomic<Fiber*> next_unfinished_ = nullptr;
  std::atomic<Fiber*>* link_ = nullptr;  // what points at this fiber in the list
};

}  // namespace switchback::portal
