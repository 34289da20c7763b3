// Running and suspending steps by switching greenlets.
#include "portal/greenlet_fiber.hpp"

#include <new>

#include "portal/thread.hpp"

namespace switchback::portal {
namespace {

constexpr char capsule_name[] = "switchback.GreenletFiber";

}  // namespace

GreenletFiber* GreenletFiber::create(const GreenletApi& api) {
  static PyMethodDef definition = {"portal", &GreenletFiber::main, METH_VARARGS, nullptr};
  auto* fiber = new (std::nothrow) GreenletFiber(api);
  if (fiber == nullptr) {
    PyErr_NoMemory();
    return nullptr;
  }
  Ref capsule = Ref::steal(PyCapsule_New(fiber, capsule_name, nullptr));
  Ref run = Ref::steal(capsule ? PyCFunction_New(&definition, capsule.get()) : nullptr);
  if (run) fiber->trampoline_ = api.make(run.get());
  if (!fiber->trampoline_) {
    delete fiber;
    return nullptr;
  }
  return fiber;
}

void GreenletFiber::destroy(GreenletFiber* fiber) { delete fiber; }

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
    arrive();
    do_job();
    raised_ = interpreter::take_raised();
    depart();
    delivered_ = true;
    // Fails when the greenlet is killed, as it is when it is dropped: then it ends.
    Ref resumed = api_.switch_to(resumer_);
    if (!resumed) return nullptr;
  }
}

bool GreenletFiber::run_in_greenlet(PyThreadState* state, Thread& thread) {
  Ref resumer = api_.current();
  Ref resumer_context = Ref::borrow(state->context);
  resumer_ = resumer.get();
  resumer_context_ = resumer_context.get();
  delivered_ = false;
  Ref target = resumed_ ? std::move(resumed_) : Ref::borrow(trampoline_.get());
  thread.add_running(this);
  Ref switched = api_.switch_to(target.get());
  thread.remove_running(this);
  if (!delivered_) {
    // Something else has switched here, or the greenlet that called await_() has been killed.
    if (switched) {
      PyErr_SetString(PyExc_RuntimeError,
                      "a greenlet has switched to the one that waits for a portal's step; only the "
                      "portal may do that");
    }
    fail_job();
    return true;
  }
  if (raised_ != nullptr) interpreter::set_raised(std::exchange(raised_, nullptr));
  return ended();
}

PyObject* GreenletFiber::suspend_greenlet(PyObject* trap, PyObject* awaited, PyObject** exception) {
  before_suspend(trap, awaited);
  resumed_ = api_.current();
  // A greenlet that the portal's code has started has a context of its own, whatever it is.
  const bool in_trampoline = resumed_.get() == trampoline_.get();
  if (in_trampoline) depart();
  delivered_ = true;
  Ref switched = api_.switch_to(resumer_);
  if (in_trampoline) arrive();
  PyObject* value = after_suspend(exception);
  if (!switched) {
    // Somebody has thrown an exception into this greenlet, or dropped it.
    Py_XDECREF(value);
    Py_XSETREF(*exception, interpreter::take_raised());
    return nullptr;
  }
  return value;
}

}  // namespace switchback::portal
