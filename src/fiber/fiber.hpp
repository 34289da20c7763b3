// A fiber: a stack on which a job runs that can be suspended, and what passes between it and its
// resumer.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <utility>

#include "interpreter/ref.hpp"

namespace switchback::fiber {

using interpreter::RaisedScope;
using interpreter::Ref;

class Thread;

// What a fiber is told to run: the job of `owner` with `argument` (both borrowed), on the fiber,
// that sets *result as PyIter_Send() does. What may switch: this may call Fiber::suspend().
//
// The owner's type has a tp_finalize that brings the suspended job to an end, or does nothing where
// that is not possible. It is called where a job has to end because its thread does.
//
// Until it ends, the job holds the argument by a reference of its own.
using Job = PySendResult (*)(PyObject* owner, PyObject* argument, PyObject** result);

// What an await_() on a fiber's own stack has, beside what Fiber::suspend() is told: what it was
// given, and what it awaits in its place by a reference of its own, or nullptr. Both borrowed.
struct AwaitDetails {
  PyObject* given;
  PyObject* held;
};

// Runs one job at a time, and is reused for job after job. A fiber whose job has not ended, because
// it was suspended, belongs to the job's owner until it is resumed.
//
// It is a StackFiber, on a stack of our own, or a DelegatedFiber, whose stack another library
// switches.
class Fiber {
 public:
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Whether this is a StackFiber.
  bool is_native() const { return is_native_; }

  // The next in Thread's list of those that run away from their own stacks, or nullptr.
  Fiber* next_away() const { return next_away_; }

  // Whether await_() on it may take the short way: this is a StackFiber, and there is nothing to
  // look at before a suspension.
  bool takes_short_way() const { return takes_short_way_; }
  void set_guarded(bool is_guarded) { takes_short_way_ = is_native_ && !is_guarded; }

  // Prepares an idle fiber for its next run().
  void set_job(Job job, PyObject* owner, PyObject* argument) {
    job_ = job;
    owner_ = owner;
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
  bool run(PyThreadState* thread_state, Thread& thread);

  // After run() returned true: the job's outcome.
  PySendResult job_result(PyObject** value) const {
    *value = result_;
    return job_status_;
  }
  // After run() returned false: what suspend() was given; an owned reference.
  PyObject* trap() const { return result_; }

  // On the running fiber: gives `trap` (stolen) to whoever runs the fiber, and waits for its
  // answer. Returns the value sent, an owned reference; or nullptr, with an owned *exception to be
  // raised. `awaited` (borrowed, alive meanwhile) is what is waited for.
  PyObject* suspend(PyObject* trap, PyObject* awaited, PyObject** exception);

  // While suspended: the frame that suspend() was called from, as an object, a new reference. In
  // any thread. nullptr if there is none, without an exception.
  PyObject* innermost_frame(PyThreadState* thread_state) const;

  // Whose job this is; nullptr once a suspended fiber has been abandoned.
  PyObject* owner() const { return owner_; }
  // While suspended: what is waited for, borrowed. nullptr once something else than run() has
  // resumed it, which another library can do.
  PyObject* awaited() const { return awaited_; }

  // On the running fiber, around suspend() in an await_() on the fiber's own stack.
  void set_details(AwaitDetails details) { details_ = details; }

  // Whether this suspended fiber may be resumed here. C frames on its stack hold on to the thread
  // state that it was suspended in, so both the thread and the state have to be the same.
  bool belongs_to(const Thread* thread, const PyThreadState* thread_state) const {
    return thread_ == thread && thread_state_id_ == thread_state->id;
  }
  Thread* thread() const { return thread_; }
  // Whether the thread state of this suspended fiber has ended, so that nothing can resume it.
  bool stranded() const;
  // Whether it is in its thread's list.
  bool is_listed() const { return link_ != nullptr; }
  void set_thread(Thread* thread, const PyThreadState* thread_state) {
    thread_ = thread;
    thread_state_id_ = thread_state->id;
  }

 protected:
  explicit Fiber(bool is_native) : is_native_(is_native), takes_short_way_(is_native) {}
  ~Fiber() = default;

  // In run(): the job goes on from here.
  void note_running() { progress_ = Progress::running; }

  // On the fiber: runs the job and notes its outcome. The exception that ended it stays set.
  void do_job() {
    job_status_ = job_(owner_, argument_, &result_);
    progress_ = Progress::ended;
  }

  // In run(), with an exception set: the job is taken to have ended with it.
  void fail_job() {
    result_ = nullptr;
    job_status_ = PYGEN_ERROR;
    progress_ = Progress::ended;
  }

  // The two halves of suspend(), around the switch.
  void before_suspend(PyObject* trap, PyObject* awaited) {
    assert(!PyErr_Occurred());
    result_ = trap;
    awaited_ = awaited;
    progress_ = Progress::suspended;
  }
  PyObject* after_suspend(PyObject** exception) {
    awaited_ = nullptr;
    *exception = std::exchange(message_exception_, nullptr);
    return std::exchange(message_value_, nullptr);
  }

  // For a fiber that was resumed by something else than run(): forgets what it waited for, and
  // drops the message that set_message() may have left.
  void drop_message() {
    Ref::steal(std::exchange(message_value_, nullptr));
    Ref::steal(std::exchange(message_exception_, nullptr));
    awaited_ = nullptr;
  }

  // Takes before_suspend() back, where the trap has reached nobody: the job goes on.
  void undo_suspend() {
    Ref::steal(std::exchange(result_, nullptr));
    awaited_ = nullptr;
    progress_ = Progress::running;
  }

  void forget_awaited() { awaited_ = nullptr; }

  // Takes the exception that set_message() may have left, an owned reference.
  PyObject* take_message_exception() { return std::exchange(message_exception_, nullptr); }

  bool ended() const { return progress_ == Progress::ended; }

  const AwaitDetails& details() const { return details_; }
  // While suspended: what the job was started with.
  PyObject* argument() const { return argument_; }
  // Roughly where the fiber lies that was listed after this one, if any; may be anything else.
  std::uintptr_t next_listed() const { return reinterpret_cast<std::uintptr_t>(link_); }
  // Whether the thread state that it was suspended in has ended, with the GIL held.
  bool state_has_ended() const { return thread_state_id_ == 0; }

 private:
  friend class Thread;

  Job job_ = nullptr;
  PyObject* owner_ = nullptr;              // borrowed: the caller of run() holds it
  PyObject* argument_ = nullptr;           // borrowed from that caller, and then from the job
  PyObject* awaited_ = nullptr;            // borrowed from the job, while suspended
  PyObject* result_ = nullptr;             // owned, in transit
  PyObject* message_value_ = nullptr;      // owned, in transit
  PyObject* message_exception_ = nullptr;  // owned, in transit
  PySendResult job_status_ = PYGEN_ERROR;
  // How far the job has got; `ended` while run() has not told of it yet.
  enum class Progress : std::uint8_t { running, suspended, ended };
  Progress progress_ = Progress::ended;
  const bool is_native_;
  bool takes_short_way_;

  // From the first suspension of a job to its end: the thread that has to resume it, and the place
  // in that thread's list. The thread also while an owner keeps the fiber for its next job.
  Thread* thread_ = nullptr;
  std::uint64_t thread_state_id_ = 0;
  std::atomic<Fiber*> next_unfinished_ = nullptr;
  std::atomic<Fiber*>* link_ = nullptr;  // what points at this fiber in the list

  Fiber* next_away_ = nullptr;  // in a list of the thread's
  AwaitDetails details_ = {nullptr, nullptr};
};

}  // namespace switchback::fiber
