// That a switch of contexts keeps the registers that a callee has to keep.
#include <gtest/gtest.h>

#include <cstdint>

#include "core/machine_context.hpp"
#include "live_stacks.hpp"

#if defined(__ELF__) && (defined(__x86_64__) || defined(__aarch64__))

// Calls function(argument) with known values in every register that a callee has to keep; returns
// whether they are still there afterwards. The values depend on the seed.
extern "C" bool switchback_registers_are_kept(void (*function)(void*), void* argument,
                                              std::uint64_t seed);

#ifdef __x86_64__
asm(R"(
        .text
        .type   switchback_registers_are_kept, @function
switchback_registers_are_kept:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        pushq   %rdx
        leaq    1(%rdx), %rbx
        leaq    2(%rdx), %rbp
        leaq    3(%rdx), %r12
        leaq    4(%rdx), %r13
        leaq    5(%rdx), %r14
        leaq    6(%rdx), %r15
        movq    %rdi, %rax
        movq    %rsi, %rdi
        call    *%rax
        popq    %rdx
        xorl    %eax, %eax
        subq    %rdx, %rbx
        cmpq    $1, %rbx
        jne     1f
        subq    %rdx, %rbp
        cmpq    $2, %rbp
        jne     1f
        subq    %rdx, %r12
        cmpq    $3, %r12
        jne     1f
        subq    %rdx, %r13
        cmpq    $4, %r13
        jne     1f
        subq    %rdx, %r14
        cmpq    $5, %r14
        jne     1f
        subq    %rdx, %r15
        cmpq    $6, %r15
        jne     1f
        movl    $1, %eax
1:      popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret
        .size   switchback_registers_are_kept, . - switchback_registers_are_kept
)");
#else
asm(R"(
        .text
        .type   switchback_registers_are_kept, %function
switchback_registers_are_kept:
        stp     x29, x30, [sp, #-176]!
        mov     x29, sp
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        str     x2, [sp, #160]
        .irp    i, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
        add     x\i, x2, #\i
        .endr
        .irp    i, 8, 9, 10, 11, 12, 13, 14, 15
        add     x9, x2, #\i
        fmov    d\i, x9
        .endr
        mov     x9, x0
        mov     x0, x1
        blr     x9
        ldr     x2, [sp, #160]
        mov     x0, #0                  // what differs anywhere
        .irp    i, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
        add     x9, x2, #\i
        eor     x9, x9, x\i
        orr     x0, x0, x9
        .endr
        .irp    i, 8, 9, 10, 11, 12, 13, 14, 15
        add     x9, x2, #\i
        fmov    x10, d\i
        eor     x9, x9, x10
        orr     x0, x0, x9
        .endr
        cmp     x0, #0
        cset    w0, eq
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x29, x30, [sp], #176
        ret
        .size   switchback_registers_are_kept, . - switchback_registers_are_kept
)");
#endif

namespace switchback::core {
namespace {

TEST(AContext, keeps_the_registers_that_a_callee_has_to_keep) {
  bool inside = false;
  TestContext context([&](TestContext& self) {
    inside = switchback_registers_are_kept(
        [](void* itself) { static_cast<TestContext*>(itself)->suspend(); }, &self, 0x1000);
  });
  const auto resume = [](void* it) { static_cast<TestContext*>(it)->resume(); };
  EXPECT_TRUE(switchback_registers_are_kept(resume, &context, 0x2000));
  EXPECT_TRUE(switchback_registers_are_kept(resume, &context, 0x3000));
  EXPECT_TRUE(context.ended());
  EXPECT_TRUE(inside);
}

}  // namespace
}  // namespace switchback::core

#endif
