// Running and suspending steps by switching greenlets.
#include "greenlet/greenlet_fiber.hpp"

#include <new>

#include "fiber/thread.hpp"

namespace switchback::greenlet {
namespace {

constexpr char capsule_name[] = "switchback.GreenletFiber";

// Where somebody else than the portal has switched to the current greenlet.
void refuse_switch(const Api& api, const char* what_it_does) {
  Ref greenlet = api.current();
  if (!greenlet) return;
  PyErr_Format(PyExc_RuntimeError,
               "a greenlet has switched to %R, which %s; only the portal may do that, when its "
               "event loop resumes it: have greenlets switch to others only",
               greenlet.get(), what_it_does);
}

}  // namespace

GreenletFiber* GreenletFiber::create(const Api& api) {
  static PyMethodDef definition = {"portal", &GreenletFiber::main, METH_VARARGS, nullptr};
  auto* fiber = new (std::nothrow) GreenletFiber(api);
  if (fiber == nullptr) {
    PyErr_NoMemory();
    return nullptr;
  }
  Ref capsule = Ref::steal(PyCapsule_New(fiber, capsule_name, [](PyObject* owner) {
    delete static_cast<GreenletFiber*>(PyCapsule_GetPointer(owner, capsule_name));
  }));
  if (!capsule) {
    delete fiber;
    return nullptr;
  }
  Ref run = Ref::steal(PyCFunction_New(&definition, capsule.get()));
  if (run) fiber->trampoline_ = api.make(run.get());
  if (!fiber->trampoline_) return nullptr;  // the capsule deletes it
  fiber->capsule_ = std::move(capsule);
  return fiber;
}

GreenletFiber* GreenletFiber::take(fiber::Thread& thread, const Api& api) {
  fiber::DelegatedFiber* const idle = thread.take_idle_delegated();
  return idle != nullptr ? static_cast<GreenletFiber*>(idle) : create(api);
}

void GreenletFiber::destroy() {
  // Dropping a trampoline that is suspended raises GreenletExit in it, which comes to an end here.
  // The capsule deletes this object.
  Ref trampoline = std::move(trampoline_);
  Ref capsule = std::move(capsule_);
}

// Which step runs is told by the greenlet that runs: a step's own one, or one that descends from
// it.
fiber::Fiber* GreenletFiber::find_innermost(fiber::Fiber* native) {
  Ref greenlet = api_.current();
  while (greenlet) {
    for (DelegatedFiber* fiber = this; fiber != nullptr;
         fiber = static_cast<GreenletFiber*>(fiber)->next()) {
      if (static_cast<GreenletFiber*>(fiber)->trampoline_.get() == greenlet.get()) return fiber;
    }
    greenlet = api_.parent(greenlet.get());
  }
  return native;
}

// greenlet gives each greenlet a context of its own. A step sees the one that it is resumed in,
// unless it is inside a Context.run() of its own; so does native code.
void GreenletFiber::arrive() { context_.arrive(PyThreadState_Get(), resumer_context_); }
void GreenletFiber::depart() { context_.depart(PyThreadState_Get(), resumer_context_); }

PyObject* GreenletFiber::main(PyObject* capsule, PyObject*) {
  auto* self = static_cast<GreenletFiber*>(PyCapsule_GetPointer(capsule, capsule_name));
  return self == nullptr ? nullptr : self->run_jobs();
}

PyObject* GreenletFiber::run_jobs() {
  for (;;) {
    has_job_ = false;
    nesting_left_.load(PyThreadState_Get());
    arrive();
    do_job();
    raised_ = interpreter::take_raised();
    // Somebody else has resumed the greenlet that called await_(), and the step came to its end.
    // The next run() finds its outcome here.
    if (resumer_ == nullptr) Py_RETURN_NONE;
    depart();
    delivered_ = true;
    // Fails when the greenlet is killed, as it is when it is dropped: then it ends.
    Ref resumed = api_.switch_to(resumer_);
    if (!resumed) return nullptr;
    // A greenlet that the portal had started has ended, and come back to where nobody waits for it.
    if (!has_job_) Py_RETURN_NONE;
  }
}

bool GreenletFiber::run_delegated(PyThreadState* thread_state, fiber::Thread& thread) {
  if (resumed_ && ended()) {
    resumed_ = Ref();
    drop_message();
  } else {
    Ref resumer = api_.current();
    Ref resumer_context = Ref::steal(current_context(thread_state));
    resumer_ = resumer.get();
    resumer_context_ = resumer_context.get();
    delivered_ = false;
    note_running();
    nesting_left_.save(thread_state);
    has_job_ = !resumed_;
    Ref target = resumed_ ? std::move(resumed_) : Ref::borrow(trampoline_.get());
    thread.add_running(this);
    Ref switched = api_.switch_to(target.get());
    thread.remove_running(this);
    resumer_ = nullptr;
    resumer_context_ = nullptr;
    if (!delivered_) {
      // Something else has switched here, or the greenlet that called await_() has been killed.
      if (switched) {
        refuse_switch(api_, "waits for a portal's step");
      }
      broken_ = true;
      fail_job();
      return true;
    }
  }
  if (raised_ != nullptr) interpreter::set_raised(std::exchange(raised_, nullptr));
  return ended();
}

PyObject* GreenletFiber::suspend_delegated(PyObject* trap, PyObject* awaited,
                                           PyObject** exception) {
  if (resumer_ == nullptr) {
    // Somebody else has resumed this step, and it awaits again.
    Py_DECREF(trap);
    refuse_switch(api_, "waits in await_()");
    *exception = interpreter::take_raised();
    return nullptr;
  }
  before_suspend(trap, awaited);
  resumed_ = api_.current();
  // A greenlet that the portal's code has started has a context of its own, whatever it is.
  const bool in_trampoline = resumed_.get() == trampoline_.get();
  if (in_trampoline) depart();
  delivered_ = true;
  Ref switched = api_.switch_to(resumer_);
  if (resumer_ == nullptr) {
    // Not resumed by the portal. What was thrown is raised here, and the step goes on by itself.
    drop_message();
    if (switched) refuse_switch(api_, "waits in await_()");
    *exception = interpreter::take_raised();
    return nullptr;
  }
  if (in_trampoline) arrive();
  PyObject* value = after_suspend(exception);
  if (switched && value == nullptr && *exception == nullptr) {
    // The portal has resumed another of its greenlets, and that has switched here.
    refuse_switch(api_, "waits in await_()");
    *exception = interpreter::take_raised();
    return nullptr;
  }
  if (!switched) {
    Py_XDECREF(value);
    Py_XSETREF(*exception, interpreter::take_raised());
    return nullptr;
  }
  return value;
}

}  // namespace switchback::greenlet
