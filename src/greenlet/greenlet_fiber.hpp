// The greenlet backend: a fiber whose step runs in a greenlet, for programs that use greenlet too.
#pragma once

#include "core/exception_globals.hpp"
#include "fiber/delegated_fiber.hpp"
#include "foreign/thread_words.hpp"
#include "greenlet/api.hpp"
#include "greenlet/followed_context.hpp"
#include "interpreter/reprs_under_way.hpp"
#include "interpreter/stack_state.hpp"

namespace switchback::greenlet {

// greenlet takes the thread for one contiguous stack, of which it copies parts away and back. Where
// the program uses it, portals have to switch by it as well. Then await_() works from inside a
// greenlet that the portal's code has started, too.
//
// The step runs in a "trampoline" greenlet, which is kept for the next step when it ends. Whichever
// greenlet calls await_() is the one that is resumed.
class GreenletFiber final : public fiber::DelegatedFiber {
 public:
  // An idle fiber of `thread`, or a new one. Returns nullptr with an exception set on failure.
  static GreenletFiber* take(fiber::Thread& thread, const Api& api);

  bool run_delegated(PyThreadState* thread_state, fiber::Thread& thread) override;
  PyObject* suspend_delegated(PyObject* trap, PyObject* awaited, PyObject** exception) override;
  fiber::Fiber* find_innermost(fiber::Fiber* latest) override;
  PyObject* delegated_frame() const override;
  Ref keep() const override { return Ref::borrow(capsule_.get()); }
  bool is_dead() const override { return broken_ || !api_.active(trampoline_.get()); }
  void destroy() override;

 private:
  explicit GreenletFiber(const Api& api) : api_(api) {}
  ~GreenletFiber() = default;
  static GreenletFiber* create(const Api& api);
  static PyObject* main(PyObject* capsule, PyObject*);
  PyObject* run_jobs();
  void run_in_greenlet(PyThreadState* thread_state, fiber::Thread& thread);
  void fail();
  void arrive();
  void depart();

  const Api& api_;
  // Owns this object. Held here until destroy(), and by the trampoline's function while that runs.
  Ref capsule_;
  Ref trampoline_;
  Ref resumed_;  // what run() switches to: the trampoline, or the greenlet that called suspend()
  // Borrowed from run(): the greenlet that waits in it; nullptr while none does.
  PyObject* resumer_ = nullptr;
  PyObject* resumer_context_ = nullptr;  // borrowed from the same
  PyObject* raised_ = nullptr;           // owned, in transit: what ended the job
  bool delivered_ = false;               // whether run() was switched to by us
  bool broken_ = false;                  // whether a step was abandoned
  bool has_job_ = true;                  // whether run() has switched to the trampoline for one
  core::ExceptionGlobals exceptions_;    // of the step, while it is suspended
  FollowedContext context_;
  foreign::PutAside foreign_;
  interpreter::ReprsUnderWay reprs_;
  foreign::Bounds slice_ = {};             // of the C stack, as suspended
  interpreter::NestingLeft nesting_left_;  // of the caller of run()
};

}  // namespace switchback::greenlet
