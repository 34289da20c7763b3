// The context switch: suspends one C stack and continues another, with what C++ keeps for each.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>

#include "core/exception_globals.hpp"
#include "core/sanitizer.hpp"
#include "core/switch.hpp"

namespace switchback::core {

// A machine context that lives on a stack of its own. resume() runs it until it calls suspend().
//
// Invariants: resume() and suspend() strictly alternate, both on the thread that called the first
// resume(). The switch saves the callee-saved registers, the floating-point control words and the
// C++ exception state. It does not save the signal mask, nor any thread-local of other libraries.
//
// Neither function is noexcept: a thread that the interpreter ends while it finalizes is unwound
// through both.
class MachineContext {
 public:
  using Entry = void (*)(MachineContext& self);

  // Places the context at `top`, aligned to 16 bytes, of a stack whose lowest usable byte is `low`.
  // `entry` is called at the first resume() and never returns: it ends every piece of work with
  // suspend().
  void prepare(std::byte* low, std::byte* top, Entry entry) {
    assert(reinterpret_cast<std::uintptr_t>(top) % 16 == 0);
    entry_ = entry;
    const auto size = static_cast<std::size_t>(top - low);
    target_ = make_stack<&MachineContext::start>(top, size);
    sanitizer_.set_stack(low, size);
  }

  // Before the stack is unmapped.
  void dismiss() { sanitizer_.forget_stack(target_); }

  // Runs the context until its next suspend(). `live` is ExceptionGlobals::of_this_thread(), which
  // a caller may keep. What may switch: this call does.
  void resume(ExceptionGlobals& live) {
    assert(target_ != nullptr);
    // Hardly ever is an exception being handled on either side.
    if (live.any() || exceptions_.any()) [[unlikely]] {
      resume_amid_exceptions(live);
      return;
    }
    jump();
    if (live.any()) [[unlikely]] {
      exceptions_.assign(live);
      live = ExceptionGlobals{};
    }
  }

  void resume() { resume(ExceptionGlobals::of_this_thread()); }

  // While suspended: where the stack ends, with the saved registers.
  const void* suspended_at() const { return target_; }

  // Returns to whoever called resume(); comes back when resume() is called again.
  void suspend() {
    sanitizer_.start_suspend();
    switch_stacks(target_, resumer_, nullptr);
    sanitizer_.finish_resume();
  }

 private:
  void resume_amid_exceptions(ExceptionGlobals& live) {
    ExceptionGlobals resumer;
    resumer.assign(live);
    live.assign(exceptions_);
    jump();
    exceptions_.assign(live);
    live.assign(resumer);
  }

  void jump() {
    sanitizer_.start_resume();
    switch_stacks(resumer_, target_, this);
    sanitizer_.finish_suspend();
  }

  static void start(void* argument) {
    auto& self = *static_cast<MachineContext*>(argument);
    self.sanitizer_.finish_resume();
    self.entry_(self);
  }

  // Where resume() goes: the suspended point of this stack. Stale while it runs.
  SuspendedPoint target_ = nullptr;
  // Where suspend() goes: the point in resume() that waits. Stale while this stack is suspended.
  SuspendedPoint resumer_ = nullptr;
  Entry entry_ = nullptr;
  ExceptionGlobals exceptions_;
  SanitizerSwitch sanitizer_;
};

}  // namespace switchback::core
