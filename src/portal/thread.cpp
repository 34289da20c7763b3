// The life of what a thread owns.
#include "portal/thread.hpp"

#include <new>

#include "portal/portal.hpp"

namespace switchback::portal {

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
    // Others change the rest only while a step has not ended: it is looked at afterwards.
    const bool referred_to = thread->unfinished_.load(std::memory_order_acquire) != nullptr ||
                             thread->has_adopted() || thread->has_abandoned_ ||
                             thread->native_ != nullptr || thread->running_greenlets_ != nullptr;
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
bool Thread::start_to_watch(PyThreadState* state) {
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
    static_assert(sizeof(void*) >= sizeof(state->id));
    if (PyCapsule_SetContext(watch.get(), reinterpret_cast<void*>(state->id)) < 0) return false;
  }
  watched_state_ = state->id;
  return true;
}

void Thread::at_state_end(PyObject* watch) {
  const void* ended = PyCapsule_GetPointer(watch, watch_name);
  const auto id = reinterpret_cast<std::uint64_t>(PyCapsule_GetContext(watch));
  // States of other threads are ended by the interpreter that finalizes, and by a child process.
  PyThreadState* const state = PyThreadState_Get();
  if (ended != this_thread_ || state->id != id || interpreter::is_finalizing()) return;
  Thread& thread = *this_thread_;
  RaisedScope raised;
  interpreter::EndingState ending(state);
  close_suspended_portals();
  for (Fiber* fiber = thread.unfinished_; fiber != nullptr; fiber = fiber->next_unfinished_) {
    if (fiber->belongs_to(&thread, state)) fiber->thread_state_id_ = 0;
  }
  while (thread.idle_greenlets_ != nullptr) {
    GreenletFiber* idle = std::exchange(thread.idle_greenlets_, thread.idle_greenlets_->next_);
    idle->next_ = nullptr;
    GreenletFiber::destroy(idle);
  }
}

PyObject* Thread::suspended_portals(const PyThreadState* state) const {
  PyObject* portals = PyList_New(0);
  if (portals == nullptr) return nullptr;
  for (const Fiber* fiber = unfinished_; fiber != nullptr; fiber = fiber->next_unfinished_) {
    const bool is_suspended = fiber->portal_->fiber == fiber;
    if (!is_suspended || !fiber->belongs_to(this, state)) continue;
    if (PyList_Append(portals, reinterpret_cast<PyObject*>(fiber->portal_)) < 0) {
      Py_DECREF(portals);
      return nullptr;
    }
  }
  return portals;
}

GreenletFiber* Thread::take_idle_greenlet(const GreenletApi& api) {
  GreenletFiber* fiber = idle_greenlets_;
  if (fiber == nullptr) return GreenletFiber::create(api);
  idle_greenlets_ = fiber->next_;
  fiber->next_ = nullptr;
  return fiber;
}

void Thread::give_idle(Fiber* fiber) {
  if (fiber->backend() == Backend::native) {
    auto* stack = static_cast<StackFiber*>(fiber);
    if (idle_stacks_.give(stack)) {
      stack->trim();
    } else {
      StackFiber::destroy(stack);
    }
    return;
  }
  auto* greenlet = static_cast<GreenletFiber*>(fiber);
  if (greenlet->dead()) {
    GreenletFiber::destroy(greenlet);
    return;
  }
  greenlet->next_ = idle_greenlets_;
  idle_greenlets_ = greenlet;
}

void Thread::add_running(GreenletFiber* fiber) {
  fiber->next_ = running_greenlets_;
  running_greenlets_ = fiber;
}

void Thread::remove_running(GreenletFiber* fiber) {
  // Mostly the first; other greenlets of the program may have others running in between.
  GreenletFiber** link = &running_greenlets_;
  while (*link != fiber) link = &(*link)->next_;
  *link = fiber->next_;
  fiber->next_ = nullptr;
}

// Which step runs is told by the greenlet that runs: a step's own one, or one that descends from
// it.
Fiber* Thread::find_current() const {
  const GreenletApi& api = running_greenlets_->api();
  Ref greenlet = api.current();
  while (greenlet) {
    for (GreenletFiber* fiber = running_greenlets_; fiber != nullptr; fiber = fiber->next_) {
      if (fiber->trampoline() == greenlet.get()) return fiber;
    }
    greenlet = api.parent(greenlet.get());
  }
  return native_;
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

}  // namespace switchback::portal
