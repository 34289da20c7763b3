// A fiber whose stack another library switches, by means of its own.
#pragma once

#include "fiber/fiber.hpp"

namespace switchback::fiber {

// What that library has to do; all delegated fibers of a process are of one library.
class DelegatedFiber : public Fiber {
 public:
  // Fiber::run() and Fiber::suspend(), which see.
  virtual bool run_delegated(PyThreadState* thread_state, Thread& thread) = 0;
  virtual PyObject* suspend_delegated(PyObject* trap, PyObject* awaited, PyObject** exception) = 0;

  // Which fiber of the calling thread is the innermost that runs, on the thread's own stack: one of
  // those that run away from their stacks, of which `latest` is the first.
  virtual Fiber* find_innermost(Fiber* latest) = 0;

  // Fiber::innermost_frame(), which see.
  virtual PyObject* delegated_frame() const = 0;

  // Keeps the fiber for a frame on it, which may run on when the job and its owner have ended.
  virtual Ref keep() const = 0;

  // Whether it cannot run a further job: it was killed, or left in the middle of one.
  virtual bool is_dead() const = 0;

  // Unmakes an idle fiber. Runs Python code.
  virtual void destroy() = 0;

 protected:
  DelegatedFiber() : Fiber(false) {}
  ~DelegatedFiber() = default;

 private:
  friend class Thread;
  DelegatedFiber* next_ = nullptr;  // in a list of the thread's idle ones
};

}  // namespace switchback::fiber
