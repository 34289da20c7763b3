// The jump from one C stack to another: a few inlined instructions on x86-64, Boost.Context
// elsewhere.
//
// Boost's jump_fcontext() is called and leaves by a jump, so each switch leaves one address too
// many on the processor's return-address stack, and the returns that follow are mispredicted, a
// whole call chain of them: 70 to 120 ns for each step of a portal. Inlined, a switch neither calls
// nor returns. Define SWITCHBACK_BOOST_SWITCH to have Boost's everywhere. Windows always has it, as
// it also exchanges what the system keeps for each thread of the stack's bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__ILP32__) && !defined(_WIN32) && \
    !defined(SWITCHBACK_BOOST_SWITCH)
#define SWITCHBACK_INLINE_SWITCH 1
#else
#include <boost/context/detail/fcontext.hpp>
#endif

namespace switchback::core {

// A suspended point of execution: what switch_stacks() stores and continues.
using SuspendedPoint = void*;

// What runs first on a new stack; never returns. `argument` is what the first switch_stacks() to it
// was given.
using StackEntry = void (*)(void* argument);

#ifdef SWITCHBACK_INLINE_SWITCH

// What lies at a suspended point, upwards from it. The other callee-saved registers are left to the
// compiler, which knows which of them are in use.
struct SuspendedFrame {
  unsigned int sse_control;  // MXCSR
  unsigned int x87_control;  // the control word, in the lower half
  void* continue_at;
  void* rbx;
  void* rbp;
};
static_assert(sizeof(SuspendedFrame) == 32);
static_assert(offsetof(SuspendedFrame, continue_at) == 8);

namespace detail {
// Where a new stack begins: `argument` arrives in rax, the entry in rbx.
__attribute__((naked, used)) inline void begin_stack() {
  // The call leaves the stack aligned as the ABI wants it at a function's first instruction. A zero
  // in rbp ends the chain of frame pointers, and an undefined return address that of the unwinder.
  __asm__(
      ".cfi_undefined rip\n\t"
      "xorl %ebp, %ebp\n\t"
      "movq %rax, %rdi\n\t"
      "callq *%rbx\n\t"
      "ud2");
}
}  // namespace detail

// The point at which `entry` begins on a new stack that grows down from `top`, which is aligned to
// 16 bytes. The floating-point control words are the caller's.
template <StackEntry entry>
SuspendedPoint make_stack(std::byte* top, [[maybe_unused]] std::size_t size) {
  SuspendedFrame frame{};
  __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(frame.sse_control), "=m"(frame.x87_control));
  frame.continue_at = reinterpret_cast<void*>(&detail::begin_stack);
  frame.rbx = reinterpret_cast<void*>(entry);
  std::byte* place = top - sizeof(frame);
  std::memcpy(place, &frame, sizeof(frame));
  return place;
}

// Stores the current point in `from` and continues at `to`; `argument` is for a new stack only.
// Returns when something continues at the stored point. Every register but rsp, rbx and rbp is
// declared as clobbered, so that the compiler saves what it needs; those three are saved here, and
// rsp is first moved past the red zone, in which the compiler may keep values.
inline __attribute__((always_inline)) void switch_stacks(SuspendedPoint& from, SuspendedPoint to,
                                                         void* argument) {
  SuspendedPoint* save = &from;
  __asm__ volatile(
      "leaq -128(%%rsp), %%rsp\n\t"
      "pushq %%rbp\n\t"
      "pushq %%rbx\n\t"
      "leaq 1f(%%rip), %%rcx\n\t"
      "pushq %%rcx\n\t"
      "subq $8, %%rsp\n\t"
      "stmxcsr (%%rsp)\n\t"
      "fnstcw 4(%%rsp)\n\t"
      "movq %%rsp, (%%rdi)\n\t"
      "movq %%rsi, %%rsp\n\t"
      "ldmxcsr (%%rsp)\n\t"
      "fldcw 4(%%rsp)\n\t"
      "movq 8(%%rsp), %%rcx\n\t"
      "movq 16(%%rsp), %%rbx\n\t"
      "movq 24(%%rsp), %%rbp\n\t"
      "leaq 32(%%rsp), %%rsp\n\t"
      "jmpq *%%rcx\n\t"
      "1:\n\t"
#if defined(__CET__) && (__CET__ & 1)
      "endbr64\n\t"
#endif
      "leaq 128(%%rsp), %%rsp\n\t"
      : "+D"(save), "+S"(to), "+a"(argument)
      :
      : "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc", "xmm0",
        "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
        "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
        "st(6)", "st(7)"
#ifdef __AVX512F__
        ,
        "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5",
        "k6", "k7"
#endif
  );
}

#else

namespace detail {

// The rounding mode and its like. Boost's assembly keeps them for each stack, but not on AArch64;
// there, a new stack begins with those of its resumer. Writing the register waits for all
// instructions before it, and hardly ever has to be done.
class FloatingPointModes {
#if defined(__aarch64__) && defined(__GNUC__)
 public:
  void restore() const {
    if (current() != saved_) __asm__ volatile("msr fpcr, %0" : : "r"(saved_));
  }

 private:
  static std::uint64_t current() {
    std::uint64_t modes;
    __asm__ volatile("mrs %0, fpcr" : "=r"(modes));
    return modes;
  }

  std::uint64_t saved_ = current();
#else
 public:
  void restore() const {}
#endif
};

// Lies on the stack that is being left, until the other side has taken note of where that was.
struct BoostTransfer {
  SuspendedPoint* from;
  void* argument;

  static BoostTransfer& arrived(boost::context::detail::transfer_t transfer) {
    auto& other = *static_cast<BoostTransfer*>(transfer.data);
    *other.from = transfer.fctx;
    return other;
  }
};

template <StackEntry entry>
void begin_stack(boost::context::detail::transfer_t transfer) {
  entry(BoostTransfer::arrived(transfer).argument);
}

}  // namespace detail

template <StackEntry entry>
SuspendedPoint make_stack(std::byte* top, std::size_t size) {
  return boost::context::detail::make_fcontext(top, size, &detail::begin_stack<entry>);
}

inline void switch_stacks(SuspendedPoint& from, SuspendedPoint to, void* argument) {
  const detail::FloatingPointModes modes;
  detail::BoostTransfer transfer{&from, argument};
  detail::BoostTransfer::arrived(boost::context::detail::jump_fcontext(to, &transfer));
  modes.restore();
}

#endif

}  // namespace switchback::core
