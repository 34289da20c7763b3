// The life of what a thread owns: from its first fiber to its end.
#include "fiber/thread.hpp"

#include <new>

#include "interpreter/ending_thread_state.hpp"

namespace switchback::fiber {

namespace {
constexpr char watch_name[] = "switchback.Thread";
}

constinit thread_local Thread* Thread::this_thread_ = nullptr;

// Frees the stacks of a thread when it ends; at_state_end() has been there before. A fiber that is
// still suspended then is leaked, with the objects that its C frames refer to: nothing may ever run
// on it again, and nothing can tell what else points into it.
struct Thread::AtThreadExit {
  Thread* thread = nullptr;
  ~AtThreadExit() {
    if (thread == nullptr) return;
    while (core::PooledStack* idle = thread->idle_stacks_.take()) {
      StackFiber::destroy(static_cast<StackFiber*>(idle));
    }
    this_thread_ = nullptr;
    thread->alive_.store(false, std::memory_order_release);
    // Others change the rest only while a job has not ended: it is looked at afterwards.
    const bool referred_to = thread->unfinished_.load(std::memory_order_acquire) != nullptr ||
                             thread->has_adopted() || thread->has_abandoned_ ||
                             thread->native_ != nullptr || thread->away_ != nullptr;
    if (!referred_to) delete thread;
  }
};

Thread* Thread::create() {
  static thread_local AtThreadExit at_exit;
  this_thread_ = at_exit.thread = new (std::nothrow) Thread();
  if (this_thread_ == nullptr) PyErr_NoMemory();
  return this_thread_;
}

// A thread state drops its dict first of all when it ends, in the thread that ends and with all
// else in place (PyThreadState_Clear() in Python/pystate.c). threading.local relies on that, too.
// So an object in the dict tells of the end, while Python code can still be run.
bool Thread::start_to_watch(PyThreadState* thread_state) {
  PyObject* dict = PyThreadState_GetDict();  // borrowed; nullptr, without an exception, on failure
  if (dict == nullptr) {
    PyErr_NoMemory();
    return false;
  }
  // Of this thread alone: other copies of the engine have threads of their own.
  Ref key = Ref::steal(PyUnicode_FromFormat("%s at %p", watch_name, this));
  if (!key) return false;
  // An operating-system thread may have several states, in turns, so it may be there already.
  if (PyDict_GetItemWithError(dict, key.get()) == nullptr) {
    if (PyErr_Occurred()) return false;
    Ref watch = Ref::steal(PyCapsule_New(this, watch_name, &Thread::at_state_end));
    if (!watch || PyDict_SetItem(dict, key.get(), watch.get()) < 0) return false;
    // Not before: without it, the end of the capsule is not taken for that of the state.
    static_assert(sizeof(void*) >= sizeof(thread_state->id));
    if (PyCapsule_SetContext(watch.get(), reinterpret_cast<void*>(thread_state->id)) < 0) {
      return false;
    }
  }
  if (!reprs_.find(dict)) return false;
  watched_state_ = thread_state->id;
  return true;
}

void Thread::at_state_end(PyObject* watch) {
  const void* ended = PyCapsule_GetPointer(watch, watch_name);
  const auto id = reinterpret_cast<std::uint64_t>(PyCapsule_GetContext(watch));
  // States of other threads are ended by the interpreter that finalizes, and by a child process.
  PyThreadState* const thread_state = PyThreadState_Get();
  if (ended != this_thread_ || thread_state->id != id || interpreter::is_finalizing()) return;
  Thread& thread = *this_thread_;
  RaisedScope raised;
  interpreter::EndingThreadState ending(thread_state);
  thread.unwind_suspended(thread_state);
  for (Fiber* fiber = thread.unfinished_; fiber != nullptr; fiber = fiber->next_unfinished_) {
    if (fiber->belongs_to(&thread, thread_state)) fiber->thread_state_id_ = 0;
  }
  while (DelegatedFiber* idle = thread.take_idle_delegated()) idle->destroy();
  if (thread.watched_state_ == id) thread.reprs_.forget();
}

void Thread::list_unfinished(Fiber* fiber, const PyThreadState* thread_state) {
  fiber->set_thread(this, thread_state);
  Fiber* const next = unfinished_.load(std::memory_order_relaxed);
  fiber->next_unfinished_.store(next, std::memory_order_relaxed);
  if (next != nullptr) next->link_ = &fiber->next_unfinished_;
  unfinished_.store(fiber, std::memory_order_relaxed);
  fiber->link_ = &unfinished_;
}

void Thread::unlist(Fiber* fiber) {
  Fiber* const next = fiber->next_unfinished_.load(std::memory_order_relaxed);
  if (next != nullptr) next->link_ = fiber->link_;
  // A thread that finds its list empty as it ends has to see what was written before.
  std::exchange(fiber->link_, nullptr)->store(next, std::memory_order_release);
  fiber->next_unfinished_.store(nullptr, std::memory_order_relaxed);
}

void Thread::abandon(Fiber* fiber) {
  fiber->thread_->has_abandoned_ = true;
  unlist(fiber);
  fiber->owner_ = nullptr;
}

void Thread::list_suspended(const PyThreadState* thread_state, UnwindList& owners) const {
  for (const Fiber* fiber = unfinished_; fiber != nullptr; fiber = fiber->next_unfinished_) {
    if (fiber->progress_ == Fiber::Progress::running || !fiber->belongs_to(this, thread_state))
      continue;
    if (!owners.add(fiber->owner_)) return;
  }
}

void Thread::unwind_suspended(PyThreadState* thread_state) {
  unwind_adopted();
  // To unwind some may suspend new ones. Those that refuse to end, again and again, are left.
  constexpr int most_rounds = 16;
  for (int round = 0; round < most_rounds; ++round) {
    UnwindList owners;
    list_suspended(thread_state, owners);
    if (owners.empty()) return;
    owners.unwind_all();
  }
}

void Thread::adopt(PyObject* owner) {
  // Out of memory: leaked rather than unwound in the wrong thread.
  if (!adopted_.add(owner)) Py_INCREF(owner);
}

void Thread::unwind_adopted() {
  if (!has_adopted()) return;
  RaisedScope raised;
  adopted_.unwind_all();
}

DelegatedFiber* Thread::take_idle_delegated() {
  DelegatedFiber* fiber = idle_delegated_;
  if (fiber != nullptr) idle_delegated_ = std::exchange(fiber->next_, nullptr);
  return fiber;
}

void Thread::give_idle(Fiber* fiber) {
  if (fiber->is_native()) {
    auto* stack = static_cast<StackFiber*>(fiber);
    if (idle_stacks_.give(stack)) {
      stack->trim();
    } else {
      StackFiber::destroy(stack);
    }
    return;
  }
  auto* delegated = static_cast<DelegatedFiber*>(fiber);
  if (delegated->is_dead()) {
    delegated->destroy();
    return;
  }
  delegated->next_ = idle_delegated_;
  idle_delegated_ = delegated;
}

void Thread::remove_away(Fiber* fiber) {
  // Mostly the first; places may take turns, so that others have been added in between.
  Fiber** link = &away_;
  while (*link != fiber) link = &(*link)->next_away_;
  *link = std::exchange(fiber->next_away_, nullptr);
}

Fiber* Thread::find_away() const {
  for (Fiber* fiber = away_; fiber != nullptr; fiber = fiber->next_away_) {
    if (!fiber->is_native()) return static_cast<DelegatedFiber*>(fiber)->find_innermost(away_);
  }
  return away_;
}

}  // namespace switchback::fiber
