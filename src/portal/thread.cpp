// The life of what a thread owns.
#include "portal/thread.hpp"

#include <new>

namespace switchback::portal {

thread_local Thread* Thread::this_thread_ = nullptr;

// Frees what a thread owns when it ends. A fiber that is still suspended then is leaked, with the
// objects that its C frames refer to: nothing may ever run on it again, and nothing can tell what
// else points into it.
struct Thread::AtThreadExit {
  Thread* thread = nullptr;
  ~AtThreadExit() {
    if (thread == nullptr) return;
    while (core::PooledStack* idle = thread->idle_stacks_.take()) {
      StackFiber::destroy(static_cast<StackFiber*>(idle));
    }
    this_thread_ = nullptr;
    thread->alive_.store(false, std::memory_order_release);
    const bool referred_to = thread->suspended_ != nullptr || thread->native_ != nullptr ||
                             thread->running_greenlets_ != nullptr || thread->has_adopted() ||
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
    if (!idle_stacks_.give(stack)) StackFiber::destroy(stack);
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
