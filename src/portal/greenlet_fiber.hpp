// The greenlet backend: a fiber whose step runs in a greenlet, for programs that use greenlet too.
#pragma once

#include "interpreter/followed_context.hpp"
#include "portal/fiber.hpp"
#include "portal/greenlet_api.hpp"

namespace switchback::portal {

// greenlet takes the thread for one contiguous stack, of which it copies parts away and back. Where
// the program uses it, portals have to switch by it as well. Then await_() works from inside a
// greenlet that the portal's code has started, too.
//
// The step runs in a "trampoline" greenlet, which is kept for the next step when it ends. Whichever
// greenlet calls await_() is the one that is resumed.
class GreenletFiber : public Fiber {
 public:
  // Returns nullptr with an exception set on failure.
  static GreenletFiber* create(const GreenletApi& api);
  static void destroy(GreenletFiber* fiber);

  // Fiber::run() and Fiber::suspend(), which see.
  bool run_in_greenlet(PyThreadState* state, Thread& thread);
  PyObject* suspend_greenlet(PyObject* trap, PyObject* awaited, PyObject** exception);

  const GreenletApi& api() const { return api_; }
  PyObject* capsule() const { return capsule_.get(); }
  PyObject* trampoline() const { return trampoline_.get(); }
  // Whether the trampoline cannot run a further step: it was killed, or left in the middle of one.
  bool dead() const { return broken_ || !api_.active(trampoline_.get()); }

 private:
  friend class Thread;
  explicit GreenletFiber(const GreenletApi& api) : Fiber(Backend::greenlet), api_(api) {}
  ~GreenletFiber() = default;
  static PyObject* main(PyObject* capsule, PyObject*);
  PyObject* run_jobs();
  void arrive();
  void depart();

  const GreenletApi& api_;
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
  interpreter::FollowedContext context_;
  GreenletFiber* next_ = nullptr;  // in a list of the thread's: running or idle
};

}  // namespace switchback::portal
