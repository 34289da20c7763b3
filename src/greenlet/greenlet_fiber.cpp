// Running and suspending steps by switching greenlets.
#include "greenlet/greenlet_fiber.hpp"

#include <cassert>
#include <cstddef>
#include <new>

#include "fiber/thread.hpp"
#include "interpreter/c_stack_left.hpp"

namespace switchback::greenlet {
namespace {

constexpr char capsule_name[] = "switchback.GreenletFiber";

// How far below its base a job that has ended may have left something that a word of another
// library still points to.
constexpr std::ptrdiff_t most_left_behind = 256 << 10;

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
  while (fiber::DelegatedFiber* const idle = thread.take_idle_delegated()) {
    if (!idle->is_dead()) return static_cast<GreenletFiber*>(idle);
    // A greenlet that its last step had started has ended since, and come back to it.
    idle->destroy();
  }
  return create(api);
}

void GreenletFiber::destroy() {
  // Dropping a trampoline that is suspended raises GreenletExit in it, which comes to an end here.
  // The capsule deletes this object.
  Ref trampoline = std::move(trampoline_);
  Ref capsule = std::move(capsule_);
}

// Where the greenlet that runs is a step's own one, that step does. One that descends from a step's
// greenlet may have been resumed from elsewhere, or have a step of its own below it; but where two
// event loops take turns in greenlets, nothing else tells.
fiber::Fiber* GreenletFiber::find_innermost(fiber::Fiber* latest) {
  bool is_ancestor = false;
  for (Ref greenlet = api_.current(); greenlet; greenlet = api_.parent(greenlet.get())) {
    for (fiber::Fiber* fiber = latest; fiber != nullptr; fiber = fiber->next_away()) {
      if (fiber->is_native()) continue;
      const Ref& trampoline = static_cast<GreenletFiber*>(fiber)->trampoline_;
      if (trampoline.get() != greenlet.get()) continue;
      return is_ancestor && latest->is_native() ? latest : fiber;
    }
    is_ancestor = true;
  }
  PyErr_Clear();
  return latest;
}

// greenlet gives each greenlet a context of its own. A step sees the one that it is resumed in,
// unless it is inside a Context.run() of its own; so does native code.
void GreenletFiber::arrive() { context_.arrive(PyThreadState_Get(), resumer_context_); }
void GreenletFiber::depart() { context_.depart(PyThreadState_Get(), resumer_context_); }

PyObject* GreenletFiber::delegated_frame() const {
  PyObject* const frame =
      resumed_ ? PyObject_GetAttrString(resumed_.get(), "gr_frame") : Py_NewRef(Py_None);
  PyErr_Clear();
  if (frame != nullptr && frame != Py_None) return frame;
  Py_XDECREF(frame);
  return nullptr;
}

PyObject* GreenletFiber::main(PyObject* capsule, PyObject*) {
  auto* self = static_cast<GreenletFiber*>(PyCapsule_GetPointer(capsule, capsule_name));
  return self == nullptr ? nullptr : self->run_jobs();
}

PyObject* GreenletFiber::run_jobs() {
  const auto* const top = static_cast<const std::byte*>(__builtin_frame_address(0));
  slice_.top = top;
  for (;;) {
    has_job_ = false;
    nesting_left_.load(PyThreadState_Get());
    context_.begin();
    arrive();
    do_job();
    slice_.low = top - most_left_behind;
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
  struct Run {
    GreenletFiber* fiber;
    PyThreadState* thread_state;
    fiber::Thread& thread;
  } run = {this, thread_state, thread};
  const fiber::Call call = {[](void* argument) -> PyObject* {
                              auto& [fiber, state, owner] = *static_cast<Run*>(argument);
                              fiber->run_in_greenlet(state, owner);
                              return nullptr;
                            },
                            &run};
  if (fiber::StackFiber* const native = fiber::Thread::native_fiber()) {
    native->run_errand(call, api_, true);
  } else {
    call();
  }
  if (raised_ != nullptr) interpreter::set_raised(std::exchange(raised_, nullptr));
  return ended();
}

// On the thread's own stack. Leaves what has ended the job in raised_.
void GreenletFiber::run_in_greenlet(PyThreadState* thread_state, fiber::Thread& thread) {
  if (resumed_ && ended()) {
    resumed_ = Ref();
    drop_message();
    return;
  }
  // A job takes more of the C stack than the call that the interpreter counts.
  const bool is_new = !resumed_;
  constexpr char where[] = " in a portal's step";
  if (is_new && (!interpreter::leaves_c_stack(where) || Py_EnterRecursiveCall(where))) {
    fail();
    return;
  }
  Ref resumer = api_.current();
  Ref resumer_context = Ref::steal(current_context(thread_state));
  resumer_ = resumer.get();
  resumer_context_ = resumer_context.get();
  delivered_ = false;
  note_running();
  nesting_left_.save(thread_state);
  has_job_ = is_new;
  Ref target = resumed_ ? std::move(resumed_) : Ref::borrow(trampoline_.get());
  core::ExceptionGlobals& live = thread.exception_globals();
  core::ExceptionGlobals exceptions;
  exceptions.assign(live);
  live.assign(exceptions_);
  foreign::ThreadWords& words = thread.foreign_words();
  if (words.before_enter() != 0) words.enter(foreign_, fiber::Thread::current_fiber() != nullptr);
  interpreter::ReprList& reprs = thread.reprs();
  if (reprs.in_use() != 0) reprs_.enter(reprs);
  thread.add_away(this);
  Ref switched = api_.switch_to(target.get());
  if (words.after_leave() != 0) words.leave(foreign_, slice_, ended());
  if (reprs.in_use() != 0) reprs_.leave(reprs, ended());
  thread.remove_away(this);
  exceptions_.assign(live);
  live.assign(exceptions);
  resumer_ = nullptr;
  resumer_context_ = nullptr;
  if (is_new) Py_LeaveRecursiveCall();
  if (delivered_) return;
  // Something else has switched here, or the greenlet that called await_() has been killed.
  if (switched) api_.refuse_switch("waits for a portal's step");
  broken_ = true;
  fail();
}

// With an exception set: the job is taken to have ended with it.
void GreenletFiber::fail() {
  fail_job();
  Py_XSETREF(raised_, interpreter::take_raised());
}

PyObject* GreenletFiber::suspend_delegated(PyObject* trap, PyObject* awaited,
                                           PyObject** exception) {
  assert(resumer_ != nullptr);
  before_suspend(trap, awaited);
  slice_.low = __builtin_frame_address(0);
  resumed_ = api_.current();
  // A greenlet that the portal's code has started has a context of its own, whatever it is.
  const bool in_trampoline = resumed_.get() == trampoline_.get();
  if (in_trampoline) depart();
  delivered_ = true;
  Ref switched = api_.switch_to(resumer_);
  if (resumer_ == nullptr) {
    // Not resumed by the portal. What was thrown is raised here, and the step goes on by itself.
    drop_message();
    if (switched) api_.refuse_switch("waits in await_()");
    *exception = interpreter::take_raised();
    return nullptr;
  }
  if (in_trampoline) arrive();
  PyObject* value = after_suspend(exception);
  if (switched && value == nullptr && *exception == nullptr) {
    // The portal has resumed another of its greenlets, and that has switched here.
    api_.refuse_switch("waits in await_()");
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
