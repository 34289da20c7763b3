// The context switch: suspends one C stack and continues another, on Boost.Context's assembly.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cxxabi.h>

#include <cassert>
#include <cstddef>

#include "core/sanitizer.hpp"

namespace switchback::core {

// What the C++ runtime keeps per thread but belongs to a stack: the exceptions being handled
// (`catch` blocks not yet left) and the number still in flight. Without exchanging it, a `throw;`
// after a switch inside a `catch` rethrows another stack's exception. The layout is that of
// __cxa_eh_globals in the Itanium C++ ABI, section 2.2.2, shared by libstdc++ and libc++abi.
struct ExceptionGlobals {
  void* caught = nullptr;
  unsigned int uncaught = 0;

  static ExceptionGlobals& of_this_thread() {
    return *reinterpret_cast<ExceptionGlobals*>(__cxxabiv1::__cxa_get_globals());
  }
};

// A machine context that lives on a stack of its own. resume() runs it until it calls suspend().
//
// Invariants: resume() and suspend() strictly alternate, both on the thread that called the first
// resume(). The switch saves the callee-saved registers, the floating-point control words and the
// C++ exception state. It does not save the signal mask, nor any thread-local of other libraries.
//
// Neither function is noexcept: a thread that the interpreter ends while it finalizes is unwound
// through both.
class Context {
 public:
  using Entry = void (*)(Context& self);

  // Places the context at `top` of a stack whose lowest usable byte is `low`. `entry` is called at
  // the first resume() and never returns: it ends every piece of work with suspend().
  void prepare(std::byte* low, std::byte* top, Entry entry) {
    entry_ = entry;
    const auto size = static_cast<std::size_t>(top - low);
    target_ = boost::context::detail::make_fcontext(top, size, &Context::start);
    sanitizer_.set_stack(low, size);
  }

  // Before the stack is unmapped.
  void dismiss() { sanitizer_.forget_stack(); }

  // Runs the context until its next suspend(). What may switch: this call does.
  void resume() {
    assert(target_ != nullptr);
    ExceptionGlobals& live = ExceptionGlobals::of_this_thread();
    const ExceptionGlobals resumer = live;
    live = exceptions_;
    sanitizer_.start_resume();
    const auto transfer = boost::context::detail::jump_fcontext(target_, this);
    sanitizer_.finish_suspend();
    target_ = transfer.fctx;
    exceptions_ = live;
    live = resumer;
  }

  // Returns to whoever called resume(); comes back when resume() is called again.
  void suspend() {
    sanitizer_.start_suspend();
    const auto transfer = boost::context::detail::jump_fcontext(resumer_, nullptr);
    sanitizer_.finish_resume();
    resumer_ = transfer.fctx;
  }

 private:
  static void start(boost::context::detail::transfer_t transfer) {
    auto& self = *static_cast<Context*>(transfer.data);
    self.sanitizer_.finish_resume();
    self.resumer_ = transfer.fctx;
    self.entry_(self);
  }

  // Where resume() goes: the suspended point of this stack. Stale while it runs.
  boost::context::detail::fcontext_t target_ = nullptr;
  // Where suspend() goes: the point in resume() that waits. Stale while this stack is suspended.
  boost::context::detail::fcontext_t resumer_ = nullptr;
  Entry entry_ = nullptr;
  ExceptionGlobals exceptions_;
  SanitizerSwitch sanitizer_;
};

}  // namespace switchback::core
