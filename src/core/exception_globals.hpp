// What the C++ runtime keeps of exceptions for each thread, and belongs to a stack.
#pragma once

#ifndef _MSC_VER
// Not every <cxxabi.h> declares it. The names are those of the ABI.
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming)
namespace __cxxabiv1 {
struct __cxa_eh_globals;
extern "C" __cxa_eh_globals* __cxa_get_globals() noexcept;
}  // namespace __cxxabiv1
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)
#endif

namespace switchback::core {

#ifdef _MSC_VER
// Microsoft's runtime has nothing to exchange that it would let others see. So no stack may be left
// from inside a `catch` block there.
struct ExceptionGlobals {
  void assign(const ExceptionGlobals&) {}

  bool any() const { return false; }

  static ExceptionGlobals& of_this_thread() {
    static ExceptionGlobals none;
    return none;
  }
};
#else
// What the C++ runtime keeps per thread but belongs to a stack: the exceptions being handled
// (`catch` blocks not yet left) and the number still in flight. Without exchanging it, a `throw;`
// after a switch inside a `catch` rethrows another stack's exception. The layout is that of
// __cxa_eh_globals in the Itanium C++ ABI, section 2.2.2, shared by libstdc++ and libc++abi.
struct ExceptionGlobals {
  void* caught = nullptr;
  unsigned int uncaught = 0;

  // Member by member: copied as 16 bytes, the value is loaded in one piece right after it was
  // stored in two, which the processor cannot forward from its store buffer; that costs 6 ns a
  // switch.
  void assign(const ExceptionGlobals& other) {
    caught = other.caught;
    asm volatile("" ::: "memory");
    uncaught = other.uncaught;
  }

  bool any() const { return caught != nullptr || uncaught != 0; }

  static ExceptionGlobals& of_this_thread() {
    return *reinterpret_cast<ExceptionGlobals*>(__cxxabiv1::__cxa_get_globals());
  }
};
#endif

}  // namespace switchback::core
