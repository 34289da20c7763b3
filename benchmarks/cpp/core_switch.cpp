// The cost of the raw switch: to another stack and back.
#include <benchmark/benchmark.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

#include "core/machine_context.hpp"
#include "core/stack_allocator.hpp"

namespace {

namespace core = switchback::core;
namespace boost_context = boost::context::detail;

constexpr std::size_t stack_size = 64 * 1024;

// A stack for the time of one benchmark.
class MappedStack {
 public:
  MappedStack() : stack_(allocator_.allocate(&failure_)) {}
  MappedStack(const MappedStack&) = delete;
  MappedStack& operator=(const MappedStack&) = delete;
  ~MappedStack() { allocator_.deallocate(stack_); }
  std::byte* low() const { return stack_.usable_low(); }
  std::byte* top() const { return stack_.top(); }

 private:
  core::StackAllocator allocator_{core::Stack::guard_size + stack_size};
  core::StackFailure failure_{};
  core::Stack stack_;
};

// Boost's assembly, with nothing around it.
void boost_jump_fcontext(benchmark::State& state) {
  MappedStack stack;
  boost_context::transfer_t other{
      boost_context::make_fcontext(stack.top(), stack_size,
                                   [](boost_context::transfer_t resumer) {
                                     for (;;) {
                                       resumer =
                                           boost_context::jump_fcontext(resumer.fctx, resumer.data);
                                     }
                                   }),
      nullptr};
  for (auto _ : state) {
    other = boost_context::jump_fcontext(other.fctx, nullptr);
    benchmark::ClobberMemory();
  }
}

// The switch of a fiber: the same assembly, and the C++ exception state exchanged around it.
void switchback_context(benchmark::State& state) {
  MappedStack stack;
  core::MachineContext context;
  context.prepare(stack.low(), stack.top(), [](core::MachineContext& self) {
    for (;;) self.suspend();
  });
  // Looked up once a thread, as the engine does.
  core::ExceptionGlobals& exceptions = core::ExceptionGlobals::of_this_thread();
  for (auto _ : state) {
    context.resume(exceptions);
    benchmark::ClobberMemory();
  }
  context.dismiss();
}

BENCHMARK(boost_jump_fcontext);
BENCHMARK(switchback_context);

}  // namespace

BENCHMARK_MAIN();
